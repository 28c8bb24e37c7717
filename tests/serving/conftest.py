"""Bundles that differ from the tiny one in a chosen way, and a running server of the tiny flow."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle, create_bundle
from litho.bundle.manifest import Variant
from litho.bundle.probes import PROBES_NAME
from litho.export.build import export
from litho.serving.configuration.settings import ServingSettings
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

Make = Callable[..., Bundle]


@pytest.fixture
def variant_of(bundle: Path, tmp_path: Path) -> Callable[..., Bundle]:
    """Makes bundles of the tiny one's graph, whose variants or manifest are changed as the arguments say."""

    def make(
        name: str = "changed",
        variant: dict[str, Any] | None = None,
        others: Sequence[dict[str, Any]] = (),
        **manifest: Any,
    ) -> Bundle:
        original = Bundle.load(bundle)
        (first, *_) = original.manifest.variants
        fields = original.manifest.model_dump(exclude={"files", "variants", "schema_version"})
        with create_bundle(tmp_path / name) as writer:
            for file in (first.file, PROBES_NAME):
                writer.add(file, original.read(file))
            changed = tuple(
                Variant.model_validate({**first.model_dump(), **one}) for one in (variant or {}, *others)
            )
            writer.finish(**{**fields, "name": name, **manifest}, variants=changed)
        return Bundle.load(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def flow_server(flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running server of the tiny flow."""
    repository = tmp_path_factory.mktemp("repository")
    deploy(Bundle.load(flow_bundle), to=repository)
    install()
    with EmbeddedServer(repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


@pytest.fixture(scope="session")
def live_repository(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that a server serves and tests may change; "tiny" is at version 1 between them."""
    repository = tmp_path_factory.mktemp("repository")
    settings = ServingSettings(instance_count=1, warm_up=True)
    deploy(Bundle.load(bundle), to=repository, name="tiny", settings=settings)
    return repository


@pytest.fixture(scope="session")
def live_server(live_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The running server of `live_repository`."""
    install()
    with EmbeddedServer(live_repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


OLD_MODEL = Path(__file__).parent / "backend" / "data" / "deployed_model.py"
"""`model.py` as version 0.1 wrote it, before the modules of litho moved into folders."""


def as_deployed_before(model: Path, program: str = OLD_MODEL.read_text()) -> None:
    """Make the first version of a model what an older litho wrote: a program for Triton's backend python."""
    (model / "1" / "model.py").write_text(program)
    for config in (model / "config.pbtxt", model / "1" / "config.pbtxt"):
        text = config.read_text()
        assert 'backend: "litho"' in text
        config.write_text(text.replace('backend: "litho"', 'backend: "python"'))


def assert_same_pictures(given: np.ndarray, expected: np.ndarray) -> None:
    """The determinism contract."""
    difference = np.abs(given.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


@pytest.fixture(scope="session")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with variants for ONNX Runtime and for OpenVINO."""
    pytest.importorskip("openvino")
    to = tmp_path_factory.mktemp("bundles") / "both"
    return export(run, to=to, precisions=("bf16",), runtimes=("onnxruntime", "openvino"), timed=False)
