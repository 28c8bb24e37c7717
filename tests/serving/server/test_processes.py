import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.processes import Stub, describe, listener, stubs_of


def test_the_listener_on_a_port_is_found() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert listener(port) is None
        held.listen()
        assert listener(port) == os.getpid()
    assert listener(port) is None


def test_a_process_is_described_by_its_id_and_its_name() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    assert describe(os.getpid()) == f"process {os.getpid()} ({own})"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert describe(gone.pid) == f"process {gone.pid}"
    assert describe(None) == "another process"


def test_an_instance_is_the_same_whatever_it_does_at_the_moment() -> None:
    assert Stub(7, "tiny", "tiny_0_0", "R") == Stub(7, "tiny", "tiny_0_0", "S")


def test_a_process_without_stubs_has_none() -> None:
    assert stubs_of(os.getpid()) == ()


@pytest.mark.slow
def test_the_processes_of_every_instance_are_found_with_their_states(server: EmbeddedServer) -> None:
    stubs = stubs_of(server.process_id)
    assert {stub.model for stub in stubs} == {"tiny"}
    assert {stub.instance for stub in stubs} == {f"tiny_0_{number}" for number in range(len(stubs))}
    assert stubs
    os.kill(stubs[0].pid, signal.SIGSTOP)
    try:
        while stubs_of(server.process_id)[0].state != "T":
            pass
    finally:
        os.kill(stubs[0].pid, signal.SIGCONT)
