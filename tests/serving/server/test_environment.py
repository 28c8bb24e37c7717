import platform
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import litho
from litho.errors import ServerError, UsageError
from litho.files import write_bytes
from litho.serving.server import environment
from litho.serving.server.environment import find, home, install

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LITHO_SERVER_HOME", str(tmp_path / "server"))
    return tmp_path / "server"


def test_a_second_installation_returns_at_once() -> None:
    install()
    told: list[str] = []
    assert install(lambda step, share: told.append(step)) == home() == find().root
    assert told == []


def test_the_server_runs_this_very_package_on_its_own_numpy_without_torch() -> None:
    install()
    script = (
        "import sys, litho, litho.runners.onnxruntime, numpy, onnxruntime;"
        "print(litho.__file__, numpy.__version__, 'torch' in sys.modules)"
    )
    found = find()
    answer = subprocess.run(
        [found.root / "bin" / "python", "-c", script],
        env=found.variables(),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    path, version, has_torch = answer.stdout.split()
    assert Path(path).resolve() == Path(litho.__file__).resolve()
    assert version.startswith("1.26.")
    assert has_torch == "False"


def test_without_an_installation_the_message_says_how_to_get_one(empty_home: Path) -> None:
    assert home() == empty_home
    with pytest.raises(ServerError, match="litho server install"):
        find()


def test_a_server_of_another_python_is_not_called_missing(empty_home: Path) -> None:
    empty_home.mkdir(exist_ok=True)
    (empty_home / "installed").write_text("requirements\n3.9.1\n/usr\n")
    with pytest.raises(ServerError, match="is of another Python or another litho; run: litho server install"):
        find()


def test_a_half_made_environment_is_not_taken_for_a_whole_one(empty_home: Path) -> None:
    (empty_home / "bin").mkdir(parents=True)
    with pytest.raises(ServerError, match="litho server install"):
        find()


def test_an_installation_that_fails_names_its_log(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# a comment\n./no-such-package.whl\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", requirements)
    with pytest.raises(ServerError, match="no-such-package") as failed:
        install()
    assert "\n" not in str(failed.value)
    log = Path(str(failed.value).rpartition("see ")[2])
    assert "no-such-package" in log.read_text()
    with pytest.raises(ServerError, match="litho server install"):
        find()


def test_one_for_gpus_takes_onnx_runtime_for_gpus(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def pip(environment: object, requirements: list[str], *others: object) -> None:
        asked.append(requirements)
        raise ServerError("stopped here")

    monkeypatch.setattr(environment, "_pip", pip)
    for device in ("cpu", "cuda"):
        with pytest.raises(ServerError, match="stopped here"):
            install(device=device)
    on_cpu, on_gpu = ({line.partition("==")[0] for line in lines} for lines in asked)
    assert on_cpu - on_gpu == {"onnxruntime"}
    assert {"onnxruntime-gpu", "nvidia-cudnn-cu13"} < on_gpu - on_cpu


def test_an_interrupted_installation_leaves_nothing_that_counts_and_no_process(empty_home: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", "from litho.cli import main; main()", "server", "install"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    with command:
        while not (empty_home / "install.log").exists():
            assert command.poll() is None
        children = psutil.Process(command.pid).children(recursive=True)
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=240)
    assert command.returncode == 1
    assert len(errors.strip().splitlines()) == 1
    assert not psutil.wait_procs(children, timeout=120)[1]
    with pytest.raises(ServerError, match="litho server install"):
        find()


@pytest.mark.parametrize(
    ("what", "answer", "words"),
    [
        ("machine", "aarch64", "x86-64 Linux; this is aarch64"),
        ("system", "Darwin", "x86-64 Linux"),
        ("libc_ver", ("glibc", "2.31"), r"glibc 2\.35 or newer; this is glibc 2\.31"),
        ("libc_ver", ("musl", "1.2"), "this is musl"),
    ],
)
def test_a_machine_that_cannot_run_the_server_is_told_before_anything_is_made(
    what: str, answer: object, words: str, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, what, lambda *arguments: answer)
    with pytest.raises(UsageError, match=words) as refused:
        install()
    assert "\n" not in str(refused.value)
    assert not empty_home.exists()


def test_a_path_that_a_shell_would_split_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITHO_SERVER_HOME", str(tmp_path / "my server"))
    with pytest.raises(UsageError, match="LITHO_SERVER_HOME"):
        install()
    assert not list(tmp_path.iterdir())


def test_the_backend_is_put_in_place_and_follows_its_source() -> None:
    install()
    placed = find().backends / "litho" / "model.py"
    assert placed.read_bytes() == environment.BACKEND_MODEL.read_bytes()
    before = placed.stat()
    find()
    assert placed.stat().st_mtime_ns == before.st_mtime_ns
    write_bytes(placed, "# of another litho\n")
    find()
    assert placed.read_bytes() == environment.BACKEND_MODEL.read_bytes()
