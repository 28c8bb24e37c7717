"""What every test shares: hypothesis without deadlines, and bundles of tiny untrained generators."""

from pathlib import Path

import pytest
from hypothesis import settings

# A first call imports torch or compiles a graph; how long it takes says nothing about the code under test.
settings.register_profile("litho", deadline=None, max_examples=50)
settings.load_profile("litho")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny conditional GAN whose weights are random: pictures of noise, but real ones."""
    import torch

    from litho.training.models.base import family
    from litho.training.snapshot import save_snapshot

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("runs") / "tiny"
    save_snapshot(
        path, family("cgan").generator(classes=10, width=8).eval(), family="cgan", preset="cgan-digits"
    )
    return path


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `run`: the FP32 graph with seed in and pixels out, proven."""
    from litho.export.build import export

    return export(run, to=tmp_path_factory.mktemp("bundles") / "tiny").path
