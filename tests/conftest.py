"""What every test shares: hypothesis without deadlines, a tiny untrained generator, its bundle, and its server."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from litho.serving.server import EmbeddedServer

# A first call imports torch or compiles a graph; how long it takes says nothing about the code under test.
settings.register_profile("litho", deadline=None, max_examples=50)
# Continuous integration tries the same examples every time: what fails there fails at a desk too.
settings.register_profile("ci", settings.get_profile("litho"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "litho")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what it puts in the background deaf to Ctrl-C, and every process of the suite with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def without_gpu() -> None:
    """For what is refused where there is no GPU: where there is one, nothing is refused."""
    from litho.errors import DeviceError, MissingExtra
    from litho.runners._cuda import find_device

    with contextlib.suppress(DeviceError, MissingExtra):
        find_device("rtx")
        pytest.skip("this machine has a GPU")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny conditional GAN whose weights are random: pictures of noise, but real ones."""
    import torch

    from litho.training.models.base import family
    from litho.training.run.snapshot import save_snapshot

    torch.manual_seed(0)
    generator = family("cgan").generator(classes=10, width=8).eval()
    for weights in generator.parameters():
        if weights.ndim == 4:
            # Fresh weights paint everything in one grey, where two wrong pictures look alike.
            torch.nn.init.kaiming_normal_(weights)
    path = tmp_path_factory.mktemp("runs") / "tiny"
    save_snapshot(path, generator, family="cgan", preset="cgan-digits")
    return path


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `run`: the FP32 graph with seed in and pixels out, proven."""
    from litho.export.build import export

    return export(run, to=tmp_path_factory.mktemp("bundles") / "tiny", timed=False).path


@pytest.fixture(scope="session")
def flow_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny text-to-image flow whose weights are random: three stages and a tokenizer."""
    import torch

    from litho.training.data.tokenizer import learn_tokenizer
    from litho.training.models.base import family
    from litho.training.run.snapshot import save_snapshot

    torch.manual_seed(0)
    generator = family("flow").generator(
        tokenizer=learn_tokenizer(["a large red circle above a small blue square"], 300),
        token_count=8,
        resolution=8,
        width=32,
        depth=1,
    )
    for name, weights in generator.named_parameters():
        if not weights.any():
            # What starts at zero would leave text and time without a say; larger weights would leave the range.
            torch.nn.init.normal_(weights, std=0.2 if "to_pixels" in name else 0.1)
    path = tmp_path_factory.mktemp("runs") / "flow"
    save_snapshot(path, generator.eval(), family="flow", preset="flow-shapes")
    return path


@pytest.fixture(scope="session")
def flow_bundle(flow_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `flow_run`: the FP32 graphs of its three stages, proven together."""
    from litho.export.build import export

    return export(flow_run, to=tmp_path_factory.mktemp("bundles") / "flow", timed=False).path


@pytest.fixture(scope="session")
def repository(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository that serves `bundle` as the model "tiny"."""
    from litho.bundle import Bundle
    from litho.serving.repository import deploy

    return deploy(Bundle.load(bundle), to=tmp_path_factory.mktemp("repository"), name="tiny").path.parent


@pytest.fixture(scope="session")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running server of `repository`, in its own environment, which is made where it is not yet."""
    from litho.serving.environment import install
    from litho.serving.server import EmbeddedServer

    install()
    with EmbeddedServer(repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running
