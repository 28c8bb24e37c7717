"""Shared memory with a real server: the same pictures, and nothing left, however a client ends."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from litho.errors import EndpointError, UsageError
from litho.runners._shared_memory import FOLDER, PREFIX, Region, remove_stale
from litho.runners.triton import Runner
from litho.serving.clients.client import Client, Options
from litho.serving.clients.retries import NO_RETRIES
from litho.serving.server.embedded import EmbeddedServer


def files() -> list[str]:
    """Names of regions of this process."""
    return [path.name for path in FOLDER.glob(f"{PREFIX}*-{os.getpid()}-*")]


def registered(client: Client) -> set[str]:
    """Names of regions that the server knows."""
    return {str(name) for name in client._live._share("Status", {}).regions}


def test_a_region_holds_what_is_written_and_leaves_no_file() -> None:
    region = Region(100)
    assert files() == [region.name]
    region.write(10, bytes(range(8)))
    region.forget_name()
    assert files() == []
    assert region.read(10, (2, 4)).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    region.close()


@pytest.mark.slow
def test_pictures_through_shared_memory_are_those_of_the_connection(server: EmbeddedServer) -> None:
    fields = {"seed": range(300), "label": np.arange(300) % 10}
    with Client(f"{server.grpc_url}/tiny") as plain:
        with Client(f"{server.grpc_url}/tiny", shared_memory=True) as client:
            np.testing.assert_array_equal(client.generate(**fields), plain.generate(**fields))
            first = client.run({"seed": [7], "label": [3]})["image"]
            again = client.run({"seed": [8], "label": [3]})["image"]
            assert (first != again).any(), "an answer is a copy, and outlives the next"
            assert registered(client)
            assert files() == []
            with pytest.raises(EndpointError, match="field 'label' was given value 10"):
                client.submit({"seed": np.array([1]), "label": np.array([10])}).result()
            np.testing.assert_array_equal(client.generate(seed=7, label=3), first)
        client.close()
        assert not any(f"-{os.getpid()}-" in name for name in registered(plain))


@pytest.mark.slow
def test_what_a_killed_client_left_the_next_one_takes_back(streaming_server: EmbeddedServer) -> None:
    url = f"{streaming_server.grpc_url}/whole"
    program = (
        "import os, signal, sys; from litho.serving.clients.client import Client\n"
        "Client(sys.argv[1], shared_memory=True).generate(seed=range(9)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.Popen([sys.executable, "-c", program, url])
    assert killed.wait() == -signal.SIGKILL
    assert not list(FOLDER.glob(f"{PREFIX}*-{killed.pid}-*"))
    with Client(url) as plain:
        assert any(f"-{killed.pid}-" in name for name in registered(plain))
        with Client(url, shared_memory=True) as client:
            assert not any(f"-{killed.pid}-" in name for name in registered(plain))
            assert client.generate(seed=5)[0, 0, 0, 0] == 9
            assert remove_stale(client._live._share) == [], "the regions of who lives stay"


@pytest.mark.slow
def test_streams_need_no_shared_memory_and_errors_give_it_back(streaming_server: EmbeddedServer) -> None:
    with Client(f"{streaming_server.grpc_url}/sketch", shared_memory=True, retries=NO_RETRIES) as client:
        assert client.generate(Options(timeout_seconds=20), seed=[5, 6])[:, 0, 0, 0].tolist() == [9, 10]
        client._live.decoupled = False  # what it learned of an older version
        assert client.generate(seed=[5, 6])[:, 0, 0, 0].tolist() == [9, 10]
        with Client(f"{streaming_server.grpc_url}/both", shared_memory=True) as both:
            assert both.generate(seed=range(30))[:, 0, 0, 0].tolist() == list(range(4, 34))
    assert files() == []


def test_another_machine_has_no_memory_to_share() -> None:
    runner = object.__new__(Runner)
    runner.url = "grpc://gpu.example.org:8001/tiny"
    runner._endpoint = type("Elsewhere", (), {"address": "gpu.example.org:8001"})()
    with pytest.raises(UsageError, match="is not on this machine"):
        runner.use_shared_memory()
