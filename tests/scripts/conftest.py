"""What the tests of scripts share."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import litho


@pytest.fixture(scope="module")
def script(request: pytest.FixtureRequest) -> ModuleType:
    """The script that the test module is named after: scripts lie outside the package."""
    name = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    file = Path(litho.__file__).with_name("scripts") / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.insert(0, str(file.parent))  # as for a script that runs: it may import the one beside it
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module
