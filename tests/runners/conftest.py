"""A GPU of paper in the place of the real one."""

import sys
from typing import Any

import pytest

from . import paper_gpu


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a GPU of paper, and a TensorRT for it, in the place of the real ones; gives the module that makes them."""
    paper: Any = paper_gpu
    paper.driver, paper.contexts = paper.Driver(), []
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", paper.driver)
    monkeypatch.setitem(sys.modules, "tensorrt", paper.library(paper.driver, paper.contexts))
    return paper
