"""The embedded server's own virtual environment: a real Triton from a wheel, with the NumPy that it needs.

With NumPy 2 the Python backend of Triton 24.10 returns empty outputs and counts them as successes. Packages that litho
uses need NumPy 2, so the server gets its own environment. A link in it points to the folder of this package: the
server runs the same code as its caller, and does not need torch.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from ...errors import ServerError, UsageError
from ...files import locked, write_bytes
from ...reporting.progress import Progress, quiet
from ..backend import BACKEND

__all__ = ["BACKEND_MODEL", "ServerEnvironment", "find", "home", "install"]

BACKEND_MODEL = Path(__file__).parents[1] / "backend" / "model.py"
REQUIREMENTS = Path(__file__).with_name("requirements-server.txt")
GPU_REQUIREMENTS = Path(__file__).with_name("requirements-server-gpu.txt")
PYTHONS = ((3, 11), (3, 12))
"""Python versions that both NumPy 1.26 and the server's Python backend are built for."""

OLDEST_GLIBC = (2, 35)
_MARK = "installed"


@dataclass(frozen=True)
class ServerEnvironment:
    """An installed server.

    Args:
        root: the environment's directory.
    """

    root: Path

    @property
    def site_packages(self) -> Path:
        """The directory of its packages."""
        return self.root / "lib" / f"python{_python()}" / "site-packages"

    @property
    def executable(self) -> Path:
        """The `tritonserver` program."""
        return self.site_packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def caches(self) -> Path:
        """The directory of the libraries of Triton's response cache."""
        return self.executable.parents[1] / "caches"

    @property
    def backends(self) -> Path:
        """The directory of Triton's backends."""
        return self.root / "backends"

    def variables(self) -> dict[str, str]:
        """The environment variables that the server runs with."""
        # The Python backend takes its packages from the first `python` on PATH, not from PYTHONPATH.
        libraries = [str(self.site_packages / "nvidia_pytriton.libs")]
        if (folder := _python_library()) is not None and folder != Path():
            libraries.append(str(folder))
        if given := os.environ.get("LD_LIBRARY_PATH"):
            libraries.append(given)  # on some machines the only way to the GPU's driver
        return {
            **_without_python(),
            "PATH": f"{self.root / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LD_LIBRARY_PATH": os.pathsep.join(libraries),
            # Otherwise ONNX Runtime reports its use to its vendor and leaves a file in the temporary folder.
            "ORT_DISABLE_TELEMETRY": "1",
            # Looking through all installed packages for plugins takes 10 ms of the first picture's time.
            "PYDANTIC_DISABLE_PLUGINS": "__all__",
        }


def home() -> Path:
    """Directory of the environment: LITHO_SERVER_HOME, else in the virtual environment, else in the user's data."""
    if given := os.environ.get("LITHO_SERVER_HOME"):
        return Path(given).absolute()
    if sys.prefix != sys.base_prefix:
        return Path(sys.prefix) / "share" / "litho" / "server"
    import platformdirs

    return Path(platformdirs.user_data_dir("litho")) / "server"


def find() -> ServerEnvironment:
    """The installed environment, after its link to this package and the backend `litho` were refreshed.

    Raises:
        ServerError: the server is not installed, or was installed for other requirements or another Python.
    """
    environment = ServerEnvironment(home())
    if not _is_installed(environment):
        if (environment.root / _MARK).exists():
            raise ServerError(
                f"the server at {environment.root} is of another Python or another litho; run: litho server install"
            )
        raise ServerError(f"the server is not installed at {environment.root}; run: litho server install")
    _refresh(environment)
    return environment


def install(progress: Progress = quiet, device: Literal["cpu", "cuda"] = "cpu") -> Path:
    """Create the environment, unless it is up to date.

    Args:
        device: "cuda" for a server that also runs ONNX graphs on NVIDIA GPUs; CUDA's libraries come with it.
        progress: called with the step and the share of it that is done, in [0, 1].

    Returns:
        The environment's directory.

    Raises:
        UsageError: this machine cannot run the server; the message says what is missing.
        ServerError: the installation failed; the message names the log.
    """
    environment = ServerEnvironment(home())
    if not _is_installed(environment, device):
        _check_machine()
        _check_path(environment.root)
        busy = ServerError(f"another process is installing {environment.root}; wait until it ends")
        with locked(environment.root.with_name(f".{environment.root.name}.lock"), busy):
            _make(environment, device, progress)
    _refresh(environment)
    return environment.root


def _make(environment: ServerEnvironment, device: str, progress: Progress) -> None:
    # An interrupted installation has no mark: start from nothing.
    shutil.rmtree(environment.root, ignore_errors=True)
    progress("creating the server's environment", 0.0)
    # Debian's Python cannot put pip into a new environment unless python3-venv is installed.
    own_pip = not any(metadata.distributions(name="pip"))
    venv.create(environment.root, with_pip=own_pip)
    _pip(environment, _requirements(device), own_pip, progress)
    bundled = environment.executable.parent.parent
    shutil.copytree(bundled / "backends", environment.backends)
    stub = bundled / "python_backend_stubs" / _python() / "triton_python_backend_stub"
    shutil.copy2(stub, environment.backends / "python")
    for program in (environment.backends / "python" / stub.name, environment.executable):
        program.chmod(0o755)
    write_bytes(environment.root / _MARK, _state(device))


def _requirements(device: str) -> list[str]:
    """Such as "numpy==1.26.4"; a package for GPUs takes the place of the one that runs on CPUs alone."""
    found = _lines(REQUIREMENTS)
    if device == "cpu":
        return found
    on_gpu = _lines(GPU_REQUIREMENTS)
    replaced = {line.partition("==")[0].removesuffix("-gpu") for line in on_gpu}
    return [line for line in found if line.partition("==")[0] not in replaced] + on_gpu


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def _pip(environment: ServerEnvironment, requirements: list[str], own_pip: bool, progress: Progress) -> None:
    log = environment.root / "install.log"
    python = str(environment.root / "bin" / "python")
    pip_of = [python, "-m", "pip"] if own_pip else [sys.executable, "-m", "pip", "--python", python]
    command = [*pip_of, "install", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", *requirements]
    collected = 0
    with (
        log.open("w") as file,
        subprocess.Popen(
            command,
            # Packages on a PYTHONPATH would count as installed.
            env=_without_python(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pip,
    ):
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                file.write(line)
                collected += line.startswith("Collecting")
                progress("installing the server", min(1.0, collected / (len(requirements) + 1)))
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        last = next(
            (line for line in reversed(log.read_text().splitlines()) if "ERROR" in line), "no reason given"
        )
        copy = environment.root.with_name("server-install.log")
        shutil.copy(log, copy)
        raise ServerError(f"installing the server failed: {last}; see {copy}")


def _is_installed(environment: ServerEnvironment, device: str = "cpu") -> bool:
    """Whether it is up to date; one for GPUs serves on a CPU too."""
    mark = environment.root / _MARK
    return mark.exists() and mark.read_text() in {_state(device), _state("cuda")}


def _state(device: str) -> str:
    files = [REQUIREMENTS] if device == "cpu" else [REQUIREMENTS, GPU_REQUIREMENTS]
    requirements = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{requirements}\n{platform.python_version()}\n{sys.base_prefix}\n"


def _refresh(environment: ServerEnvironment) -> None:
    """Make the environment run this litho, which may be another than the one that installed it."""
    _link_package(environment)
    _install_backend(environment)


def _install_backend(environment: ServerEnvironment) -> None:
    # Triton runs a backend that is a model.py with the library and the stub of `backends/python`, beside it.
    content, placed = BACKEND_MODEL.read_bytes(), environment.backends / BACKEND / "model.py"
    if not placed.is_file() or placed.read_bytes() != content:
        placed.parent.mkdir(exist_ok=True)
        write_bytes(placed, content)


def _link_package(environment: ServerEnvironment) -> None:
    package = Path(__file__).resolve().parents[2]
    link = environment.site_packages / "litho"
    if link.is_symlink() and link.resolve() == package:
        return
    temporary = link.with_name(f".litho-{os.getpid()}")
    temporary.symlink_to(package)
    temporary.replace(link)


def _check_machine() -> None:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise UsageError(
            f"the embedded server runs on x86-64 Linux; this is {platform.machine()} {platform.system()}."
            " Serve a container with: litho deploy --flavour onnxruntime"
        )
    if sys.version_info[:2] not in PYTHONS:
        raise UsageError(f"the embedded server needs Python 3.11 or 3.12; this is {_python()}")
    library, version = platform.libc_ver()
    if library != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < OLDEST_GLIBC:
        raise UsageError(
            f"the embedded server needs glibc 2.35 or newer; this is {library or 'another'} {version}"
        )
    if _python_library() is None:
        raise UsageError(
            f"the server's Python backend needs libpython{_python()}.so, which is missing;"
            f" on Debian and Ubuntu: apt-get install libpython{_python()}"
        )


def _check_path(root: Path) -> None:
    # The Python backend starts its processes through a shell and does not quote paths.
    if shlex.quote(str(root)) != str(root):
        raise UsageError(
            f"the server cannot be installed at {str(root)!r}: its path has a space or another special character of"
            " a shell; set LITHO_SERVER_HOME to another folder"
        )


def _without_python() -> dict[str, str]:
    """This process's environment variables, without those that tell Python where its packages are."""
    return {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _python_library() -> Path | None:
    """Folder of libpython; an empty path if the system's linker finds it, None if it is missing."""
    folder = Path(sysconfig.get_config_var("LIBDIR") or "")
    if (folder / f"libpython{_python()}.so.1.0").exists():
        return folder
    return Path() if ctypes.util.find_library(f"python{_python()}") else None
