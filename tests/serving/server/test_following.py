"""A real server follows a repository on a real S3 server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from litho.errors import IntegrityError
from litho.object_store import ObjectStore
from litho.runners import open_runner
from litho.serving.configuration.settings import ServingSettings
from litho.serving.control.server_control import ServerControl
from litho.serving.repository.deploy import deploy
from litho.serving.repository.operations import rollback
from litho.serving.repository.storage import Replica, writing
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.serving.server.following import Follower

if TYPE_CHECKING:
    from ...conftest import S3


def put(url: str, bundle: Path, delay: int, name: str = "tiny") -> None:
    settings = ServingSettings(max_queue_delay_microseconds=delay, warm_up=False, instance_count=1)
    with writing(url, name) as folder:
        deploy(bundle, to=folder, name=name, settings=settings)


@pytest.mark.slow
def test_a_server_loads_what_is_deployed_to_s3(s3: S3, bundle: Path, tmp_path: Path) -> None:
    url, lines, spoke = s3.bucket(), [], threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        spoke.set()

    put(url, bundle, 0)
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    install()
    with (
        EmbeddedServer(replica.path, log=tmp_path / "server.log") as server,
        ServerControl(server.grpc_url) as control,
        Follower(replica, 0.1, report) as follower,
    ):
        assert follower.look(control) == ()
        with open_runner(f"{server.grpc_url}/tiny") as endpoint, open_runner(bundle) as own:
            put(url, bundle, 1)
            assert follower.look(control) == ("tiny",)
            assert control.live_versions("tiny") == [2]
            np.testing.assert_array_equal(endpoint.generate(seed=7, label=3), own.generate(seed=7, label=3))
        assert not (replica.path / "tiny" / "1").exists()

        good = ObjectStore(url).read("tiny/2/bundle/manifest.json")
        assert good is not None
        put(url, bundle, 2)
        ObjectStore(url).write("tiny/3/bundle/manifest.json", good + b" ")
        with pytest.raises(IntegrityError, match="differs from its SHA-256"):
            follower.look(control)
        assert control.live_versions("tiny") == [2], "the old version serves"

        follower.start(server.control())
        assert spoke.wait(120)
        assert "differs from its SHA-256" in lines[0]
        spoke.clear()
        with writing(url, "tiny", whole=False) as folder:
            # The damaged version is the served one: going back is a matter of the configuration.
            (folder / "tiny" / "config.pbtxt").write_bytes(
                (folder / "tiny" / "2" / "config.pbtxt").read_bytes()
            )
        put(url, bundle, 0, name="second")
        while "second serves version 1" not in lines:
            assert spoke.wait(120), lines
            spoke.clear()


@pytest.mark.slow
def test_rolling_back_on_s3_checks_the_files(s3: S3, bundle: Path, tmp_path: Path) -> None:
    url = s3.bucket()
    put(url, bundle, 0)
    put(url, bundle, 1)
    with writing(url, "tiny", whole=True) as folder:
        assert rollback(folder, "tiny").version == 1
    replica = Replica(url, tmp_path / "replica")
    replica.refresh()
    assert sorted(path.name for path in (replica.path / "tiny").iterdir()) == ["1", "config.pbtxt"]
