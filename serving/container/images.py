"""Which of NVIDIA's Triton images may serve a repository, and what has to be installed in it.

An engine of TensorRT runs only in the TensorRT that built it, and an image of Triton carries one. Litho's own backend
needs litho and its runtimes in the image's Python, so it gets an image of its own, on top of NVIDIA's.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..._version import __version__
from ...bundle.manifest import Manifest
from ...bundle.signing import read_manifest
from ...errors import DeployError, UsageError
from ...files import write_bytes, write_directory
from ..backend import BACKEND
from ..configuration.flavours.tensorrt import TENSORRT_PARAMETER
from ..configuration.model_config import ModelConfig, ParseError, parse_config
from ..server.environment import REQUIREMENTS

__all__ = ["IMAGE", "TENSORRT", "ServedModelFiles", "check_image", "own_image", "served", "write_context"]

REPOSITORY = "nvcr.io/nvidia/tritonserver"
TENSORRT = {"26.07": "11.1.0", "26.08": "11.2.1", "26.09": "11.3.0"}
"""Release of NVIDIA's Triton image -> the TensorRT in it.

Source: for 26.07 the variable `TRT_VERSION` of the image (11.1.0.106), as others quote it; for the others public texts
about the images. None was read from an image.
"""

OLDEST = "26.07"
IMAGE = f"{REPOSITORY}:{max(TENSORRT)}-py3"
_RELEASE = re.compile(r":(\d\d\.\d\d)(?:-|$)")
_LEFT_OUT = ("nvidia-pytriton", "numpy")  # the image has a Triton, and a NumPy that fits it
_PACKAGES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt-rtx"}
_NOT_NEEDED = {"tests", "docs", "deploy", "model_repository", "scripts"}


@dataclass(frozen=True)
class ServedModelFiles:
    """The served version of a model, as an operator sees it.

    Args:
        name: of the model.
        config: of the served version.
        directory: of that version.
        manifest: of its bundle; None where the version holds a bare graph or engine.
    """

    name: str
    config: ModelConfig
    directory: Path
    manifest: Manifest | None

    @property
    def engines(self) -> tuple[tuple[str, str], ...]:
        """Library and version that its engines need, such as ("tensorrt", "11.3.0.99")."""
        if self.manifest is None:
            return ()
        records = [variant.engine for variant in self.manifest.variants if variant.engine is not None]
        return tuple(sorted({(record.library, record.version) for record in records}))

    @property
    def size_bytes(self) -> int:
        """Size of its files."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())


def served(repository: Path) -> tuple[ServedModelFiles, ...]:
    """The served versions of all models of a repository.

    Raises:
        DeployError: a model was not deployed by litho, or its served version is missing.
        SchemaError, IntegrityError: the manifest of a bundle cannot be read.
    """
    models = []
    for path in sorted(repository.glob("*/config.pbtxt")):
        try:
            config = parse_config(path.read_text(encoding="utf-8"))
            (version,) = config.version_policy.specific.versions
        except (ParseError, ValueError):
            raise DeployError(
                f"{path.parent} was not deployed by litho: its configuration does not name one version"
            ) from None
        directory = path.parent / str(version)
        if not directory.is_dir():
            raise DeployError(f"{directory}, which {path} serves, is missing; deploy the bundle again")
        has_bundle = (directory / "bundle" / "manifest.json").is_file()
        manifest = read_manifest(directory / "bundle") if has_bundle else None
        models.append(ServedModelFiles(path.parent.name, config, directory, manifest))
    return tuple(models)


def check_image(image: str, models: Sequence[ServedModelFiles], tensorrt: str | None = None) -> None:
    """Refuse an image that is too old, or whose TensorRT is not the one of the engines.

    Args:
        image: name and tag.
        models: that it is to serve.
        tensorrt: version of TensorRT in the image; by default that of its release.

    Raises:
        UsageError: the image cannot serve the models; the message names one that can, if there is one.
    """
    match = _RELEASE.search(image)
    if match is None and tensorrt is None:
        raise UsageError(
            f"image {image!r} has no release such as 26.09 in its tag; give the TensorRT that it holds with --tensorrt"
            " VERSION (docker run --rm --entrypoint printenv IMAGE TRT_VERSION)"
        )
    if match is not None and match[1] < OLDEST:
        raise UsageError(
            f"image {image!r} lacks security fixes of Triton that came since; allowed are releases from {OLDEST} on,"
            f" such as {IMAGE}"
        )
    present = tensorrt or (TENSORRT.get(match[1]) if match else None)
    for model in models:
        if model.config.platform == "tensorrt_plan":
            _check_tensorrt(image, present, model)


def _check_tensorrt(image: str, present: str | None, model: ServedModelFiles) -> None:
    needed = model.config.parameters[TENSORRT_PARAMETER].string_value
    if not needed:
        raise UsageError(
            f"model {model.name!r} does not say which TensorRT its engine needs; deploy it again"
        )
    if present is None:
        raise UsageError(
            f"model {model.name!r} needs TensorRT {needed}, and it is not known which {image!r} holds; give it with"
            " --tensorrt VERSION (docker run --rm --entrypoint printenv IMAGE TRT_VERSION)"
        )
    if _same(present, needed):
        return
    fitting = [release for release, version in TENSORRT.items() if _same(version, needed)]
    other = f"--image {REPOSITORY}:{fitting[0]}-py3" if fitting else "an image with that TensorRT"
    raise UsageError(
        f"model {model.name!r} has an engine of TensorRT {needed}, and {image!r} holds {present}; use {other},"
        " or build the engine in that image with 'litho build-engine'"
    )


def _same(one: str, other: str) -> bool:
    """Whether two versions agree in their first three numbers, or in those that both have."""
    pairs = zip(one.split(".")[:3], other.split(".")[:3], strict=False)
    return all(mine == theirs for mine, theirs in pairs)


def own_image(image: str, models: Sequence[ServedModelFiles]) -> str | None:
    """Tag of the image with litho in it; None if no model needs that."""
    if not any(model.config.backend in (BACKEND, "python") for model in models):
        return None
    base = re.sub(r"[^\w.-]+", "-", image.rpartition("/")[2].replace(":", "-"))
    return f"litho-{base}:{__version__}"


def write_context(folder: Path, image: str, models: Sequence[ServedModelFiles]) -> None:
    """Write what `docker build` needs for the image with litho in it: Dockerfile, requirements, and this package.

    Args:
        folder: replaced if it exists.
        image: of NVIDIA, to build on.
        models: whose engines decide about further runtimes.
    """
    package = Path(__file__).resolve().parents[2]
    skipped = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "dist")

    def ignore(path: str, names: list[str]) -> set[str]:
        outer = _NOT_NEEDED if Path(path) == package else set()
        return skipped(path, names) | (outer & set(names))

    with write_directory(folder) as temporary:
        write_bytes(temporary / "Dockerfile", dockerfile(image))
        write_bytes(temporary / "requirements.txt", requirements(models))
        shutil.copytree(package, temporary / "litho", ignore=ignore, symlinks=False)


def requirements(models: Sequence[ServedModelFiles]) -> str:
    """The packages that litho's backend needs in the image, with exact versions."""
    lines = [line for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines() if "==" in line]
    pinned = [line for line in lines if line.partition("==")[0] not in _LEFT_OUT]
    engines = sorted({engine for model in models for engine in model.engines})
    runtimes = [f"{_PACKAGES[name]}=={version}" for name, version in engines]
    return "".join(f"{line}\n" for line in [*pinned, *runtimes])


def dockerfile(image: str) -> str:
    """The Dockerfile of the image with litho in it.

    NumPy stays the one of the image, which its Python backend was built for. Packages are installed without
    resolving, as in the embedded server.
    """
    return f"""\
# Made by litho {__version__}: Triton with the backend "{BACKEND}".
FROM {image}
USER 0
COPY requirements.txt /opt/litho/requirements.txt
RUN python3 -m pip install --no-cache-dir --no-deps --break-system-packages \\
        --requirement /opt/litho/requirements.txt \\
    && python3 -c "import pathlib, site; \\
pathlib.Path(site.getsitepackages()[0], 'litho.pth').write_text('/opt/litho')"
COPY litho /opt/litho/litho
RUN mkdir -p /opt/tritonserver/backends/{BACKEND} \\
    && cp /opt/litho/litho/serving/backend/model.py /opt/tritonserver/backends/{BACKEND}/model.py \\
    && chmod -R a+rX /opt/litho /opt/tritonserver/backends/{BACKEND}
USER 1000:1000
ENTRYPOINT ["/opt/tritonserver/bin/tritonserver"]
"""
