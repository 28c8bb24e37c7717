"""Faults that show for some inputs or some batches only: the banks of probes find them, and the verdict names them."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from litho.bundle.manifest import Verdict
from litho.bundle.probes import Probes
from litho.errors import ExportError
from litho.export.build import export
from litho.export.precisions import precision
from litho.export.source import open_source
from litho.export.validation.distance import Distance
from litho.export.validation.make_probes import make_probes
from litho.export.validation.reference import Reference
from litho.parity.replay import prove, replay_batches
from litho.runners.base import Runner
from litho.signature.fields import MAX_TEXT_BYTES

Inputs = dict[str, NDArray[Any]]
Fault = Callable[[Inputs], Inputs]

CLASSES = 1000


class Painter(nn.Module):
    """The least generator with a class, a truncation and an embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Embedding(CLASSES, 16)
        self.mix = nn.Linear(16, 64)

    def forward(
        self, noise: Tensor, label: Tensor, truncation: Tensor, words: Tensor, level: Tensor
    ) -> Tensor:
        hidden = noise * truncation[:, None] + self.classes(label) * 0.5
        hidden = hidden + words.tanh().mean(1) * 0.5 + torch.sin(level)[:, None]
        return torch.tanh(self.mix(hidden)).reshape(-1, 1, 8, 8)


SIGNATURE = {
    "inputs": [
        {"role": "seed", "shape": [16]},
        {"role": "label", "class_names": [f"class {number}" for number in range(CLASSES)]},
        {"role": "truncation"},
        {"role": "condition", "name": "words", "shape": [4, 16]},
        {"role": "condition", "name": "level", "minimum": -2.0, "maximum": 3.0, "default": 0.5},
    ],
    "output": {"height": 8, "width": 8, "channels": 1},
}


def built(module: type[nn.Module] = Painter) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return module().eval()


@cache
def reference() -> Reference:
    return Reference(open_source(built(), signature=SIGNATURE).pipeline.model)


@cache
def probes() -> Probes:
    return make_probes(reference())


class Attacked(Runner):
    """PyTorch with a fault in what goes in, or in the pictures of one kind of batch."""

    name = "attacked"

    def __init__(self, fault: Fault, wrong_at: Callable[[int], bool] = lambda batch: False) -> None:
        super().__init__(reference().signature, "attacked")
        self._fault, self._wrong_at = fault, wrong_at

    def _execute(self, inputs: Inputs) -> NDArray[np.uint8]:
        made = reference().run(self._fault(dict(inputs)))["image"]
        return 255 - made if self._wrong_at(len(made)) else made


def verdict(
    fault: Fault = lambda inputs: inputs,
    wrong_at: Callable[[int], bool] = lambda batch: False,
    batches: tuple[int, ...] = replay_batches(),
    gate: str = "fp32",
) -> Verdict:
    runner = Attacked(fault, wrong_at)
    return prove(lambda: nullcontext(runner), probes(), precision(gate).gate, batches=batches).verdict


def changed(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Fault:
    """The fault of a form that takes other values of a field than it was given."""
    return lambda inputs: {**inputs, name: change(inputs[name]).astype(inputs[name].dtype)}


def moved(least: int, most: int) -> Fault:
    """Other pictures of the seeds from `least` to `most`."""
    return changed("seed", lambda seed: np.where((seed >= least) & (seed <= most), 12345, seed))


def test_without_a_fault_it_passes() -> None:
    found = verdict()
    assert found.status == "passed", found.reason
    assert {figure.bank for figure in found.figures} == {"", "seeds", "labels", "extremes"}


FAULTS: dict[str, Fault] = {
    "truncation ignored": changed("truncation", np.ones_like),
    "truncation of 0 taken as not given": changed("truncation", lambda value: np.where(value == 0, 1, value)),
    "truncation that only 0 and 1 have": changed("truncation", np.round),
    "labels 64 to 999 are one": changed("label", lambda label: np.minimum(label, 63)),
    "label 999 is 998": changed("label", lambda label: np.minimum(label, 998)),
    "label 500 is 499": changed("label", lambda label: np.where(label == 500, 499, label)),
    "labels modulo 256": changed("label", lambda label: label % 256),
    "seeds 2 to 2**31 - 1": moved(2, 2**31 - 1),
    "seeds 2 to 40": moved(2, 40),
    "seed 39": moved(39, 39),
    "seeds 41 to 2**16": moved(41, 2**16),
    "seeds 2**33 to 2**40": moved(2**33, 2**40),
    "seeds from 2**62": moved(2**62, 2**63 - 1),
    "seeds of 32 bits": changed("seed", lambda seed: seed % 2**32),
    "seeds of 31 bits": changed("seed", lambda seed: np.minimum(seed, 2**31 - 1)),
    "seeds as FP32": changed("seed", lambda seed: np.minimum(seed.astype(np.float32), np.float32(2**62))),
    "seeds as FP64": changed("seed", lambda seed: np.minimum(seed.astype(np.float64), 2.0**62)),
    "powers of two": changed("seed", lambda seed: np.where((seed & (seed - 1)) == 0, 12345, seed)),
    "words ignored": changed("words", np.zeros_like),
    "words of nothing are others": changed("words", lambda words: np.where(words == 0, 1, words)),
    "words that are large are cut": changed("words", lambda words: np.clip(words, -4, 4) / 4),
    "level ignored": changed("level", lambda level: np.full_like(level, 0.5)),
    "level below 0 is 0": changed("level", lambda level: np.maximum(level, 0)),
    "level of 3 is its default": changed("level", lambda level: np.where(level == 3, 0.5, level)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_some_inputs_is_found(name: str) -> None:
    found = verdict(FAULTS[name])
    assert found.status == "failed"
    assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("labels 64 to 999 are one", "labels: a pixel is"),
        ("label 500 is 499", "label 500"),
        ("seed 39", "seeds: a pixel is"),
        ("seed 39", "seed 39, "),
    ],
)
def test_the_bank_and_its_worst_probe_are_named(name: str, named: str) -> None:
    assert named in verdict(FAULTS[name]).reason


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("truncation ignored", "only pictures of truncation 0 to 0.75 are wrong"),
        ("level below 0 is 0", "only pictures of level -2 to -0.75 are wrong"),
        ("level of 3 is its default", "only pictures of level 3 are wrong"),
    ],
)
def test_the_number_is_named_on_which_it_depends(name: str, named: str) -> None:
    reason = verdict(FAULTS[name]).reason
    assert named in reason
    assert "only at batch" not in reason


@pytest.mark.parametrize("gate", ["fp32", "int8"])
@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 16, 32, 64, 65])
def test_a_fault_at_one_batch_is_found_and_the_batch_is_named(batch: int, gate: str) -> None:
    found = verdict(wrong_at=lambda given: given == batch, gate=gate)
    assert found.status == "failed"
    assert re.search(rf"only at batch {batch}( and 7)?;", found.reason)


def test_a_fault_above_64_is_found() -> None:
    assert "only at batch 65" in verdict(wrong_at=lambda given: given > 64).reason


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 16])
def test_a_fault_at_a_batch_of_an_endpoint_is_found(batch: int) -> None:
    found = verdict(wrong_at=lambda given: given == batch, batches=replay_batches(profiles=[(1, 16)]))
    assert "only at batch" in found.reason


def test_ends_that_meet_are_a_bank_of_their_own() -> None:
    def meets(inputs: Inputs) -> Inputs:
        ends = (inputs["truncation"] == 0) & (inputs["level"] == 3)
        return {**inputs, "label": np.where(ends, (inputs["label"] + 1) % CLASSES, inputs["label"])}

    found = verdict(meets)
    assert found.status == "failed"
    assert {figure.bank for figure in found.figures if not figure.passed} == {"extremes"}
    assert found.reason.startswith("extremes: ")


class Spoils(Painter):
    """A generator some of whose pictures are NaN: the root of a negative number."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Root()

    def forward(
        self, noise: Tensor, label: Tensor, truncation: Tensor, words: Tensor, level: Tensor
    ) -> Tensor:
        return super().forward(noise, label, truncation, words, level) * self.root(noise)[:, :, None, None]


class Root(nn.Module):
    def forward(self, noise: Tensor) -> Tensor:
        return (noise[:, :1] + 1).sqrt().clamp(max=1)


def test_a_reference_that_is_not_finite_stops_the_export(tmp_path: Path) -> None:
    bundle = tmp_path / "bundles" / "spoilt"
    with pytest.raises(ExportError) as stopped:
        export(built(Spoils), signature=SIGNATURE, to=bundle)
    assert stopped.value.exit_code == 1
    assert not [*tmp_path.glob("bundles/*")]
    line = str(stopped.value)
    assert "\n" not in line
    assert line.startswith("PyTorch's picture of seed ")
    assert ", label " in line
    assert re.search(r"[1-9]\d? of 64 pictures hold NaN or infinity", line)
    assert "the first layer whose output is not is 'generator.foreign.root', Root" in line


def test_the_same_holds_of_the_pictures_whose_distance_is_measured() -> None:
    distance = Distance(Reference(open_source(built(Spoils), signature=SIGNATURE).pipeline.model), None)
    gate = precision("fp16").gate
    with pytest.raises(ExportError, match="not finite"):
        prove(
            lambda: Attacked(lambda inputs: inputs),
            probes(),
            gate,
            measure=lambda runner: [distance.figure(runner, gate)],
        )


def test_the_longest_text_is_among_the_extremes() -> None:
    from litho.parity.probe_values import put_extremes
    from litho.signature.fields import Field, Role

    field = Field(name="prompt", role=Role.PROMPT, dtype="BYTES")
    texts = np.full(8, "a", object)
    put_extremes([field], [texts])
    assert MAX_TEXT_BYTES - 16 <= max(len(text.encode()) for text in texts) <= MAX_TEXT_BYTES
    field.check(texts)
