"""Laws of the gate: whatever the pictures are, worse ones never pass where better ones failed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from litho.bundle.manifest import Verdict
from litho.parity.gate import Gate, Replay, judge, limits

Pictures = NDArray[np.uint8]

GATES = {
    **{name: replace(limits(name), distance_ratio=None) for name in ("fp32", "fp16", "int8")},
    "fp16 under a sampler": replace(limits("fp16", sampler="rectified-flow"), distance_ratio=None),
}
"""Those of BF16 and FP8 have the same limits by kind; under a sampler a share of the probes may part."""


@st.composite
def pairs(draw: st.DrawFn, sign: int = 0) -> tuple[Pictures, Pictures]:
    """Pictures and references a few or many grey levels apart; with a sign, all brighter or all darker."""
    shape = (draw(st.integers(1, 24)), 4, 4, 1)
    reference = draw(arrays(np.uint8, shape, elements=st.integers(0, 255)))
    most = draw(st.sampled_from([1, 2, 8, 40, 255]))
    least = {0: -most, 1: 0, -1: -most}[sign]
    errors = draw(arrays(np.int16, shape, elements=st.integers(least, 0 if sign < 0 else most)))
    return np.clip(reference + errors, 0, 255).astype(np.uint8), reference


def grown(draw: Any, pictures: Pictures, reference: Pictures) -> Pictures:
    """The same pictures with errors as large or larger, of the same sign in every pixel."""
    further = draw(arrays(np.int16, pictures.shape, elements=st.integers(0, 3)))
    direction = np.sign(pictures.astype(np.int16) - reference)
    return np.clip(pictures + further * direction, 0, 255).astype(np.uint8)


def judged(gate: Gate, *replays: Replay) -> Verdict:
    return judge(replays, gate)


def passes(gate: Gate, pictures: Pictures, reference: Pictures) -> bool:
    return judged(gate, Replay(pictures, reference)).status == "passed"


gates = pytest.mark.parametrize("gate", list(GATES.values()), ids=list(GATES))


@gates
@settings(max_examples=25)
@given(pair=pairs(), data=st.data())
def test_pictures_that_grow_worse_do_not_pass_where_they_failed(
    gate: Gate, pair: tuple[Pictures, Pictures], data: st.DataObject
) -> None:
    # Without the mean shift, in which errors of two signs may cancel.
    gate, (pictures, reference) = replace(gate, shift_levels=None), pair
    worse = grown(data.draw, pictures, reference)
    assert passes(gate, pictures, reference) or not passes(gate, worse, reference)


@gates
@settings(max_examples=25)
@given(sign=st.sampled_from([-1, 1]), data=st.data())
def test_pictures_that_grow_brighter_or_darker_do_not_pass_where_they_failed(
    gate: Gate, sign: int, data: st.DataObject
) -> None:
    pictures, reference = data.draw(pairs(sign))
    worse = grown(data.draw, pictures, reference)
    assert passes(gate, pictures, reference) or not passes(gate, worse, reference)


@gates
@settings(max_examples=25)
@given(pair=pairs())
def test_a_picture_and_its_negative_are_judged_alike(gate: Gate, pair: tuple[Pictures, Pictures]) -> None:
    pictures, reference = pair
    assert passes(gate, pictures, reference) == passes(gate, 255 - pictures, 255 - reference)


@gates
@settings(max_examples=25)
@given(pair=pairs(), data=st.data())
def test_the_order_of_the_probes_does_not_matter(
    gate: Gate, pair: tuple[Pictures, Pictures], data: st.DataObject
) -> None:
    pictures, reference = pair
    order = data.draw(st.permutations(range(len(pictures))))
    first = judged(gate, Replay(pictures, reference))
    other = judged(gate, Replay(pictures[order], reference[order]))
    assert first.status == other.status
    assert [figure.metric for figure in first.figures] == [figure.metric for figure in other.figures]
    for one, two in zip(first.figures, other.figures, strict=True):
        assert one.value == pytest.approx(two.value, abs=1e-9)
    assert set(first.parted) == {order[number] for number in other.parted}


@gates
@settings(max_examples=25)
@given(pair=pairs(), data=st.data())
def test_no_further_replay_and_no_further_bank_rescues_a_failure(
    gate: Gate, pair: tuple[Pictures, Pictures], data: st.DataObject
) -> None:
    pictures, reference = pair
    first = Replay(pictures, reference, batch=1)
    better = grown(data.draw, reference, reference)
    bank = data.draw(st.sampled_from(["", "extremes"]))
    further = Replay(data.draw(st.sampled_from([better, pictures, reference])), reference, 7, bank)
    alone = judged(gate, first).status
    for replays in ((first, further), (further, first)):
        assert alone == "passed" or judged(gate, *replays).status == "failed"


@gates
@settings(max_examples=25)
@given(pair=pairs(), data=st.data())
def test_a_tighter_limit_passes_nothing_that_a_looser_one_refused(
    gate: Gate, pair: tuple[Pictures, Pictures], data: st.DataObject
) -> None:
    pictures, reference = pair
    shares = st.floats(0, 1)
    tighter = {
        "max_abs_levels": lambda limit: limit * data.draw(shares),
        "shift_levels": lambda limit: limit * data.draw(shares),
        "min_psnr_db": lambda limit: limit / data.draw(st.floats(0.1, 1)),
        "mean_psnr_db": lambda limit: limit / data.draw(st.floats(0.1, 1)),
        "identical_share": lambda limit: limit + (1 - limit) * data.draw(shares),
    }
    name = data.draw(st.sampled_from([name for name in tighter if getattr(gate, name) is not None]))
    tight = replace(gate, **{name: tighter[name](getattr(gate, name))})
    assert passes(gate, pictures, reference) or not passes(tight, pictures, reference)


@gates
@settings(max_examples=25)
@given(pair=pairs())
def test_the_reference_itself_always_passes(gate: Gate, pair: tuple[Pictures, Pictures]) -> None:
    _, reference = pair
    assert passes(gate, reference, reference)
