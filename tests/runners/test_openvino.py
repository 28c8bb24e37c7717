"""OpenVINO runs what ONNX Runtime runs, with the same pictures."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from litho.bundle import Bundle
from litho.errors import LithoError, UsageError
from litho.export.build import export
from litho.export.graph import export_graph
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.runners.openvino import Runner
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output

pytestmark = pytest.mark.slow

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    to = tmp_path_factory.mktemp("bundles") / "both"
    return export(run, to=to, precisions=("fp32", "bf16"), runtimes=("onnxruntime", "openvino"), timed=False)


def test_the_same_seed_gives_the_same_picture(both: Bundle) -> None:
    outcomes = {outcome.subject: outcome.verdict for outcome in verify(both.path)}
    assert outcomes["generator.fp32.openvino.onnx"].status == "passed"


def test_it_computes_bf16_where_onnx_runtime_does_not(both: Bundle) -> None:
    outcomes = {outcome.subject: outcome.verdict for outcome in verify(both.path)}
    assert outcomes["generator.bf16.onnx"].status == "not_run"
    assert "Could not find an implementation" in outcomes["generator.bf16.onnx"].reason
    assert outcomes["generator.bf16.openvino.onnx"].status == "passed"


def test_large_seeds_keep_all_their_digits(both: Bundle) -> None:
    seeds = {"seed": np.array([1, 2**32 + 1, 2**53 + 1, 2**63 - 1]), "label": np.zeros(4, np.int64)}
    with open_runner(both, "generator.fp32.openvino.onnx") as first, open_runner(both) as second:
        made, wanted = first.run(seeds)["image"], second.run(seeds)["image"]
    assert np.abs(made.astype(int) - wanted).max() <= 1
    assert len({picture.tobytes() for picture in made}) == len(made)


def test_a_graph_that_makes_noise_itself_is_refused(both: Bundle) -> None:
    graph = both.read("graphs/generator.fp32.onnx")
    with pytest.raises(LithoError, match="computes wrong noise from input 'seed'"):
        Runner(graph, both.manifest.stages[0].signature)


def test_what_is_no_graph_is_refused_in_one_line(both: Bundle) -> None:
    with pytest.raises(LithoError, match="OpenVINO refuses the graph") as raised:
        Runner(b"no graph", both.manifest.stages[0].signature)
    assert "\n" not in str(raised.value)


class Codes(torch.nn.Module):
    """A picture of codes, which it reads only as one row."""

    def forward(self, code: torch.Tensor) -> torch.Tensor:
        grey = code.reshape(code.shape[0], -1).reshape(-1, 2, 2, 1)
        return (grey * 2).to(torch.uint8)


def test_an_input_that_is_read_in_another_shape_keeps_its_name() -> None:
    code = Field(name="z", role=Role.CONDITION, dtype="INT64", shape=(4,), minimum=0, maximum=99)
    signature = Signature(inputs=(code,), output=image_output(2, 2, 1))
    graph = export_graph(Codes().eval(), signature, {})
    with Runner(graph, signature) as runner:
        given = np.array([[1, 2, 3, 99]])
        assert runner.run({"z": given})["image"].ravel().tolist() == [2, 4, 6, 198]


def test_it_runs_on_a_cpu_only(both: Bundle) -> None:
    with pytest.raises(UsageError, match="OpenVINO runs on cpu, not on"):
        Runner(b"", both.manifest.stages[0].signature, device="cuda")


INTERRUPTED = """
import gc, signal, sys, threading
from litho.runners import open_runner

held = [open_runner(sys.argv[1], "generator.fp32.openvino.onnx")]
held[0].run(held[0].signature.example(1))
held[0].close()
ending = threading.Thread(target=lambda: (held.clear(), gc.collect()))
ending.start()
ending.join()
signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_after_another_thread_dropped_the_runner_is_no_crash(both: Bundle) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(both.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert "KeyboardInterrupt" in done.stderr
