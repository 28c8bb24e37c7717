"""A real OCI registry, a hub that the real client talks to, a connection that breaks, and small things to push."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from litho.benchmarks.registries.server import RunningRegistry, find_registry, running_registry
from litho.bundle import sign_bundle
from litho.bundle.manifest import FileRecord
from litho.files import sha256
from litho.reporting import png

from ..bundle.conftest import SIGNATURE, make
from ..signers import make_keys
from .hub_server import HubServer
from .lossy_proxy import LossyProxy

USER, PASSWORD = "maker", "correct-horse"
_HASHED = "$2b$04$khiJg1KitaWWnKVjuWA8qOsEQDTOh/I5ik4zamOusAPfImMON4lKu"
"""Of the password, as htpasswd writes it (bcrypt)."""

BIG = bytes(range(256)) * 12_000
"""Content of a file that takes a while: 3 MB."""


@pytest.fixture(scope="session")
def _program() -> None:
    if find_registry() is None:
        pytest.skip("docker-registry is not installed")


@pytest.fixture(scope="session")
def oci_registry(_program: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that lets everybody push."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def guarded_registry(_program: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that asks for a name and a password."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "htpasswd").write_text(f"{USER}:{_HASHED}\n")
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    with running_registry(folder, auth) as running:
        yield running


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub that huggingface_hub talks to, with the token of somebody who may write."""
    constants = pytest.importorskip("huggingface_hub.constants")
    # Its storage Xet is a service of its own; without it the client sends files by the protocol of Git LFS.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", server.writer)
        yield server


@pytest.fixture
def lossy() -> Iterator[Callable[[str], LossyProxy]]:
    """Make connections to an address that break after some bytes."""
    made: list[LossyProxy] = []

    def proxy(host: str) -> LossyProxy:
        made.append(LossyProxy(host))
        return made[-1]

    yield proxy
    for one in made:
        one.close()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A bundle of made-up files."""
    return make(tmp_path / "bundle")


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Private and public key."""
    return make_keys(tmp_path / "keys")


@pytest.fixture
def signed(small: Path, keys: tuple[Path, Path]) -> Path:
    """The bundle, signed."""
    sign_bundle(small, key=keys[0])
    return small


def make_run(path: Path, **changes: Any) -> Path:
    """A finished run of made-up weights, with everything that may lie beside a snapshot."""
    path.mkdir(parents=True)
    weights = path / "snapshot.safetensors"
    weights.write_bytes(save({"weight": np.arange(6, dtype=np.float32)}))
    snapshot = {
        "schema_version": 1,
        "family": "gan",
        "preset": "gan-tiny",
        "architecture": {"width": 8},
        "signature": SIGNATURE_OF_RUN,
        "data": {
            "name": "/home/somebody/private/cats",
            "count": 1200,
            "licence": "CC-BY-4.0",
            "class_names": [],
        },
        "nimg": 54000,
        "licence": "Apache-2.0",
        "weights_sha256": sha256(weights),
        "quality": {"diversity": 0.83},
        **changes,
    }
    (path / "snapshot.json").write_text(json.dumps(snapshot))
    (path / "recipe.json").write_text(json.dumps({"preset": "gan-tiny"}))
    (path / "stats.jsonl").write_text("{}\n")
    figure = {"metric": "FD", "value": 2.5, "reference": 1.0, "better": "lower", "n": 359, "unit": ""}
    evaluation = {
        "schema_version": 1,
        "data": "digits",
        "weights_sha256": snapshot["weights_sha256"],
        "sections": [{"part": "distribution", "title": "Distribution", "figures": [figure]}],
    }
    (path / "evaluation.json").write_text(json.dumps(evaluation))
    for folder in ("samples", "checkpoint", "tensorboard"):
        (path / folder).mkdir()
    for number in (8000, 54000):
        pixels = np.full((8, 8, 3), number % 251, np.uint8)
        (path / "samples" / f"{number:010}.png").write_bytes(png(pixels))
    (path / "checkpoint" / "state.pt").write_bytes(b"a checkpoint")
    (path / "tensorboard" / "events.out.tfevents.1.the-host").write_bytes(b"")
    return path


SIGNATURE_OF_RUN = json.loads(SIGNATURE.model_dump_json())


@pytest.fixture
def small_run(tmp_path: Path) -> Path:
    """A finished run of made-up weights."""
    return make_run(tmp_path / "run")


def grow(bundle: Path, content: bytes = BIG) -> None:
    """Give a bundle of made-up files a large one."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    (bundle / "report.html").write_bytes(content)
    manifest["files"]["report.html"] = json.loads(FileRecord.of(content).model_dump_json())
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def same_files(one: Path, other: Path, *, without: tuple[str, ...] = ()) -> bool:
    """Whether two folders hold the same files."""

    def content(root: Path) -> dict[str, bytes]:
        found = (path for path in root.rglob("*") if path.is_file())
        named = {path.relative_to(root).as_posix(): path.read_bytes() for path in found}
        return {name: data for name, data in named.items() if not name.startswith(without or ("\0",))}

    return content(one) == content(other)
