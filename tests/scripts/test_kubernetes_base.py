"""The base and the canary of deploy/kustomize are what the Helm chart gives."""

from pathlib import Path
from types import ModuleType

import pytest

import litho
from litho.errors import MissingExtra
from litho.serving.manifests.rendering import find_helm

FOLDER = Path(litho.__file__).parent / "deploy" / "kustomize"


def test_the_files_are_up_to_date(script: ModuleType) -> None:
    try:
        find_helm()
    except MissingExtra as error:
        pytest.skip(str(error))
    for path, text in script.written().items():
        assert (FOLDER / path).read_text(encoding="utf-8") == text, "run: make kubernetes"
