import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from litho.errors import LithoError, ServerStartError, UsageError
from litho.runners import open_runner
from litho.serving.control.server_control import ServerControl
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.processes import listener

from ...conftest import held_port, wait_until
from ..conftest import as_deployed_before

pytestmark = pytest.mark.slow

OWNER = """
import sys
from litho.serving.server.embedded import EmbeddedServer
with EmbeddedServer(sys.argv[1], log=__import__("pathlib").Path(sys.argv[2])) as server:
    print(server.process_id, flush=True)
    sys.stdin.read()
"""
DYING_MODEL = """
import os, signal
class TritonPythonModel:
    def initialize(self, args):
        os.kill(os.getppid(), signal.SIGKILL)
"""


def processes_of(server: EmbeddedServer | int) -> list[psutil.Process]:
    """The server and the Python backend's processes: they share a process group."""
    group = server if isinstance(server, int) else server.process_id
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def shared_memory() -> set[str]:
    """Regions of this process and of those that ended; servers of other programs may run beside the tests."""
    others = {str(pid) for pid in psutil.pids()} - {str(os.getpid())}
    return {path.name for path in Path("/dev/shm").glob("litho-*") if path.name.split("-")[1] not in others}


def backend_folders() -> set[Path]:
    return set(Path("/tmp").glob("python_env_*"))


@contextmanager
def nothing_left() -> Iterator[Callable[[int], None]]:
    """What the block starts must be gone after it; the block says which process groups that are."""
    memory, folders, groups = shared_memory(), backend_folders(), []
    yield groups.append
    assert groups, "the block started nothing"
    for group in groups:
        _, alive = psutil.wait_procs(processes_of(group), timeout=120)
        assert not alive
    assert shared_memory() <= memory
    assert backend_folders() <= folders


@contextmanager
def litho(temporary: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command line in a process of its own, whose temporary files are in a folder of their own."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from litho.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(temporary)},
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def child_group(process: subprocess.Popen[str]) -> int:
    """The server that a running command started."""
    (server,) = psutil.Process(process.pid).children()
    return server.pid


def test_a_running_server_answers_on_all_of_its_ports(server: EmbeddedServer) -> None:
    with urllib.request.urlopen(f"{server.http_url}/v2/health/ready") as answer:
        assert answer.status == 200
    with urllib.request.urlopen(server.metrics_url) as answer:
        assert b'nv_inference_request_success{model="tiny",version="1"}' in answer.read()
    with open_runner(f"{server.grpc_url}/tiny") as runner:
        assert runner.run({"seed": [1], "label": [2]})["image"].any()
    assert server.is_alive()
    assert repr(server).endswith(f", {server.grpc_url}, {server.http_url}>")
    with urllib.request.urlopen(f"{server.http_url}/v2") as answer:
        assert json.load(answer)["name"] == server.server_id
    assert all("127.0.0.1" in url for url in (server.http_url, server.metrics_url, server.grpc_url))


def test_a_repository_may_have_a_space_in_its_path(repository: Path, tmp_path: Path) -> None:
    spaced = tmp_path / "my models; the best"
    shutil.copytree(repository, spaced)
    with (
        EmbeddedServer(spaced, log=tmp_path / "log") as server,
        open_runner(f"{server.grpc_url}/tiny") as runner,
    ):
        assert runner.run({"seed": [1], "label": [2]})["image"].any()


def test_a_repeated_request_is_answered_from_the_cache_where_a_deployment_asks_for_it(
    bundle: Path, tmp_path: Path
) -> None:
    settings = {"response_cache": True, "warm_up": False, "instance_count": 1}
    deploy(bundle, to=tmp_path / "models", name="tiny", settings=settings)
    with EmbeddedServer(tmp_path / "models") as server, open_runner(f"{server.grpc_url}/tiny") as runner:
        first, again = (runner.generate(seed=[1, 2], label=1) for _ in range(2))
        with ServerControl(server.grpc_url) as control:
            # The server answers first and counts then.
            wait_until(lambda: control.statistics("tiny")[1].requests == 2)
            assert control.statistics("tiny")[1].executions == 1
    np.testing.assert_array_equal(first, again)


@pytest.mark.alone
def test_a_stopped_server_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    with nothing_left() as watch:
        server = EmbeddedServer(repository, log=tmp_path / "log")
        with server:
            watch(server.process_id)
            assert len(processes_of(server)) > 1
        assert not server.is_alive()
        assert repr(server) == f"<EmbeddedServer of {repository}, not running>"
        server.stop()
    assert (tmp_path / "log").exists()


@pytest.mark.alone
def test_a_killed_server_leaves_nothing_behind(repository: Path, tmp_path: Path) -> None:
    with nothing_left() as watch, EmbeddedServer(repository, log=tmp_path / "log") as server:
        watch(server.process_id)
        os.kill(server.process_id, signal.SIGKILL)
        wait_until(lambda: not server.is_alive())
        assert server.death() == "signal SIGKILL, from outside"


def test_a_restart_serves_what_still_loads(repository: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    for name in ("tiny", "other"):
        shutil.copytree(repository / "tiny", models / name)
        config = models / name / "config.pbtxt"
        config.write_text(config.read_text().replace('name: "tiny"', f'name: "{name}"', 1))
    with EmbeddedServer(models, log=tmp_path / "log") as server:
        before = server.grpc_url
        os.kill(server.process_id, signal.SIGKILL)
        (models / "other" / "1" / "bundle" / "manifest.json").unlink()
        server.restart()
        assert server.is_alive()
        assert server.grpc_url == before
        with open_runner(f"{server.grpc_url}/tiny") as runner:
            assert runner.run({"seed": [1], "label": [2]})["image"].any()


def tamper(version: Path) -> None:
    (graph,) = version.glob("bundle/graphs/*.onnx")
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "tampered graph": (tamper, r"tiny/1/bundle/graphs/.*\.onnx has changed"),
    "lost manifest": (lambda version: (version / "bundle/manifest.json").unlink(), "no bundle at"),
    "broken old model": (lambda version: as_deployed_before(version.parent, "def (:"), "SyntaxError"),
    "broken configuration": (
        lambda version: (version.parent / "config.pbtxt").write_text("nonsense {"),
        "failed to read text proto",
    ),
    "lost version": (shutil.rmtree, "the version directory is not present"),
    "killed": (lambda version: as_deployed_before(version.parent, DYING_MODEL), "signal SIGKILL"),
}


@pytest.mark.alone
@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_dies_while_starting_names_the_reason_and_its_log(
    fault: str, repository: Path, tmp_path: Path
) -> None:
    plant, reason = FAULTS[fault]
    broken = tmp_path / "repository"
    shutil.copytree(repository, broken)
    plant(broken / "tiny" / "1")
    memory, folders = shared_memory(), backend_folders()
    with (
        pytest.raises(ServerStartError, match=reason) as failed,
        EmbeddedServer(broken, log=tmp_path / "log"),
    ):
        pass
    assert str(tmp_path / "log") in str(failed.value)
    assert "\n" not in str(failed.value)
    assert shared_memory() <= memory
    assert backend_folders() <= folders


def test_a_port_in_use_is_told_before_anything_starts(repository: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(UsageError, match=rf"port {port} for grpc .*--grpc-port") as refused,
            EmbeddedServer(repository, grpc_port=port, log=tmp_path / "log"),
        ):
            pass
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "log").exists()


def test_of_two_servers_on_the_same_ports_one_is_told_who_has_them(repository: Path, tmp_path: Path) -> None:
    tried = threading.Barrier(2, timeout=240)
    outcomes: list[LithoError | int] = []

    def run(log: Path) -> None:
        try:
            with EmbeddedServer(repository, log=log, **ports) as server:
                assert {listener(port) for port in ports.values()} == {server.process_id}
                outcomes.append(server.process_id)
                tried.wait()
        except LithoError as error:
            outcomes.append(error)
            tried.wait()

    with ExitStack() as held:
        ports = {f"{kind}_port": held.enter_context(held_port()) for kind in ("http", "grpc", "metrics")}
        threads = [threading.Thread(target=run, args=(tmp_path / f"log{number}",)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (pid,) = (one for one in outcomes if isinstance(one, int))
    (refused,) = (one for one in outcomes if isinstance(one, LithoError))
    assert re.search(rf"port \d+ for \w+ is .*in use by process {pid} \(tritonserver\)", str(refused))
    assert "\n" not in str(refused)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"host": "0.0.0.0"}, UsageError, "other machines"),
        ({"host": "::"}, UsageError, "other machines"),
        ({"host": "localhost"}, UsageError, "not an IP address"),
        ({"grpc_port": 70_000}, UsageError, "port 70000 for grpc"),
        ({"repository": "nowhere"}, ServerStartError, "litho deploy"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    arguments: dict[str, object], error: type[LithoError], words: str, repository: Path, tmp_path: Path
) -> None:
    given: dict[str, object] = {"repository": repository, "log": tmp_path / "log", **arguments}
    with pytest.raises(error, match=words) as refused, EmbeddedServer(**given):  # type: ignore[arg-type]
        pass
    assert "\n" not in str(refused.value)


@pytest.mark.alone
def test_when_its_owner_is_killed_the_server_goes_too(repository: Path, tmp_path: Path) -> None:
    with nothing_left() as watch:
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(repository), str(tmp_path / "log")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert owner.stdin is not None
        assert owner.stdout is not None
        with owner.stdin, owner.stdout:
            watch(int(owner.stdout.readline()))
            owner.kill()
            owner.wait()


@pytest.mark.alone
def test_litho_serve_stops_at_ctrl_c_and_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    with nothing_left() as watch, litho(tmp_path, "serve", str(repository)) as command:
        assert command.stdout is not None
        endpoint = command.stdout.readline().strip()
        watch(child_group(command))
        with open_runner(endpoint) as runner:
            assert runner.run({"seed": [1], "label": [2]})["image"].any()
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=240)
        assert command.returncode == 0
        assert [line.split()[1] for line in errors.splitlines()] == ["info", "info"]
        assert not list(tmp_path.iterdir())


@pytest.mark.alone
@pytest.mark.parametrize("processes", [1, 2], ids=["launching", "loading models"])
def test_ctrl_c_while_litho_serve_starts_leaves_nothing(
    processes: int, repository: Path, tmp_path: Path
) -> None:
    with nothing_left() as watch, litho(tmp_path, "serve", str(repository)) as command:
        parent = psutil.Process(command.pid)
        while not (children := parent.children()):
            assert command.poll() is None
        server = children[0].pid
        watch(server)
        while processes > 1 and len(processes_of(server)) < processes:
            assert command.poll() is None
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=240)
        assert command.returncode in (0, 1)
        assert len(errors.splitlines()) <= 1
        assert not list(tmp_path.iterdir())
