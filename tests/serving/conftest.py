"""Bundles that differ from the tiny one in a chosen way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from litho.bundle import Bundle, create_bundle
from litho.bundle.manifest import Variant


@pytest.fixture
def variant_of(bundle: Path, tmp_path: Path) -> Callable[..., Bundle]:
    """Makes bundles of the tiny one's graph, whose only variant or manifest is changed as the arguments say."""

    def make(name: str = "changed", variant: dict[str, Any] | None = None, **manifest: Any) -> Bundle:
        original = Bundle.load(bundle)
        (first, *_) = original.manifest.variants
        fields = original.manifest.model_dump(exclude={"files", "variants", "schema_version"})
        with create_bundle(tmp_path / name) as writer:
            writer.add(first.file, original.read(first.file))
            changed = Variant.model_validate({**first.model_dump(), **(variant or {})})
            writer.finish(**{**fields, "name": name, **manifest}, variants=(changed,))
        return Bundle.load(tmp_path / name)

    return make
