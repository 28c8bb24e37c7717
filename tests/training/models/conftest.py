"""Every family by the same line: a training of a few steps, its bundle, and what serves it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from litho.bundle import Bundle

BRIEF = {
    "nimg": "64",
    "batch": "16",
    "resolution": "16",
    "width": "4",
    "latent_size": "5",
    "ema_half_life_nimg": "1",
    "precision": "fp32",
}
"""Recipe keys of a training of four steps."""

Prove = Callable[..., Bundle]


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    """Train a preset on digits for four steps and export it; keywords are further recipe keys."""
    from litho.export.build import export
    from litho.training.loop import train

    def line(preset: str, **overrides: object) -> Bundle:
        keys = {**BRIEF, **{key: str(value) for key, value in overrides.items()}}
        run = train(preset, run=tmp_path / "run", data="digits", overrides=keys, progress=False)
        return export(run, to=tmp_path / "bundle")

    return line


@pytest.fixture
def assert_served(tmp_path: Path) -> Callable[[Bundle], None]:
    """Assert that a bundle passed its gate and that both flavours of deployment take it."""
    from litho.serving.configuration import FLAVOURS
    from litho.serving.repository import deploy

    def check(bundle: Bundle) -> None:
        (variant,) = bundle.manifest.variants
        assert variant.verdict.status == "passed", variant.verdict.reason
        for flavour in FLAVOURS:
            served = deploy(bundle, to=tmp_path / "repository", name=flavour, flavour=flavour).served
            assert served.signature == bundle.manifest.signature

    return check
