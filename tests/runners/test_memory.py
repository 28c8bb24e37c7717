"""An open graph takes about the memory of its weights, and not that of the steps on the way there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

SIDE = 4096
WEIGHTS_BYTES = 4 * SIDE**2
OPENED = """
import gc, sys
from pathlib import Path
from litho.runners.base import runner_class
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * {page}

opens = runner_class(sys.argv[1]).from_graph
signature = Signature(inputs=(seed_field(),), output=image_output(1, 1, 1))
small, large = (Path(path) for path in sys.argv[2:])
opens(small.read_bytes(), signature).close()
before = resident()
runner = opens(large.read_bytes(), signature)
print(resident() - before)
"""


def _graph(path: Path, side: int) -> Path:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 21]>
        g (int64[b] seed) => (uint8[b, 1, 1, 1] image) {
            shape = Constant <value_ints = [-1, 1]> ()
            rows = Reshape (seed, shape)
            number = Cast <to = 1> (rows)
            wide = MatMul (number, first)
            product = MatMul (wide, second)
            narrow = ReduceMax <keepdims = 1> (product, axes)
            level = Cast <to = 2> (narrow)
            whole = Constant <value_ints = [-1, 1, 1, 1]> ()
            image = Reshape (level, whole)
        }"""
    )
    content = {
        "first": np.ones((1, side), np.float32),
        "second": np.ones((side, side), np.float32),
        "axes": np.array([1], np.int64),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in content.items())
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the kernel's figures of a process")
def test_an_open_graph_takes_little_more_than_its_weights(tmp_path: Path) -> None:
    graphs = [_graph(tmp_path / "small.onnx", 4), _graph(tmp_path / "large.onnx", SIDE)]
    program = OPENED.format(page=os.sysconf("SC_PAGE_SIZE"))
    done = subprocess.run(
        [sys.executable, "-c", program, "onnxruntime", *map(str, graphs)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 1.5 * WEIGHTS_BYTES
