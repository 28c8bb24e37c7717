"""A GPU of paper in the place of the real one, and a runtime that fails as it is told."""

import sys
from pathlib import Path
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


@pytest.fixture
def real_gpu() -> None:
    """Skips a test on a machine without a GPU that PyTorch can use."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU here")


TOY = """
import ctypes, os, signal, sys, time
import numpy as np
from litho.errors import BundleError, DeviceError, InvalidInput, LithoError, MissingExtra
from litho.runners import base

ERRORS = {
    "bundle": BundleError("changed"),
    "device": DeviceError("no chip"),
    "extra": MissingExtra("chip", "toy"),
    "input": InvalidInput("value 10"),
    "litho": LithoError("refused"),
    "memory": MemoryError("16 GiB"),
    "python": ValueError("first\\nsecond"),
}

def do(what):
    if what in ERRORS:
        raise ERRORS[what]
    if what.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, what))
    if what == "allocation":
        os.write(2, b"terminate called\\n  what():  std::bad_alloc\\n")
        os.abort()
    if what == "exit":
        os._exit(3)
    if what == "hang":
        ctypes.PyDLL(None).sleep(600)  # it keeps Python's lock, as a runtime may
    if what == "compute":
        while True:
            pass
    if what == "print":
        os.write(1, b"noise of a library\\n" * 100)
        print("noise", flush=True)

class Runner(base.Runner):
    name = "toy"
    title = "Toy Runtime"
    order = 50
    runs_graphs = True

    def __init__(self, model, signature, device="cpu"):
        super().__init__(signature, f"Toy Runtime on {device}")
        self._do = dict(part.split("=") for part in model.decode().split())
        if "pid" in self._do:
            with open(self._do["pid"], "w") as file:
                file.write(str(os.getpid()))
        do(self._do.get("open", ""))

    def _execute(self, inputs):
        do(self._do.get("run", ""))
        texts = [len(text) for text in inputs["prompt"]] if "prompt" in inputs else inputs["seed"]
        return np.broadcast_to(np.uint8(texts)[:, None, None, None], (len(texts), 4, 4, 1)).copy()

    def close(self):
        do(self._do.get("close", ""))
"""
"""A runtime whose graphs are texts, such as "open=SIGSEGV" or "run=hang", that say how it is to fail."""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the runtime `toy` from a folder of its own."""
    from litho import runners

    folder = tmp_path / "toys"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(runners, "__path__", [*runners.__path__, str(folder)])
    monkeypatch.setitem(sys.modules, "litho.runners.toy", None)
    monkeypatch.delitem(sys.modules, "litho.runners.toy")
    monkeypatch.setattr(runners, "toy", None, raising=False)
