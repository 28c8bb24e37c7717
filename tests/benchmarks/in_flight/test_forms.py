import numpy as np
import pytest

from litho.benchmarks.in_flight.forms import FORMS, Load, requests, same_pictures
from litho.benchmarks.in_flight.open_loop import Outcomes
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field

SIGNATURE = Signature(
    inputs=(
        seed_field(),
        Field(name="prompt", role=Role.PROMPT, dtype="BYTES", shape=()),
        Field(name="steps", role=Role.STEPS, dtype="INT64", shape=(), minimum=1, maximum=64, default=8),
    ),
    output=image_output(4, 4, 1),
)


def load(steps: list[int], ended: list[float]) -> Load:
    blank = np.zeros((len(steps), 1, 1, 1), np.uint8)
    return Load(np.array(steps), Outcomes(np.zeros(len(steps)), np.array(ended), blank, ()))


def test_candidates_have_names_of_their_own_and_settings_of_their_form() -> None:
    assert len({form.name for form in FORMS}) == len(FORMS)
    assert {form.batching for form in FORMS} == {"whole", "in-flight"}
    for form in FORMS:
        settings = form.settings
        assert form.instances in (settings.instance_count, settings.lanes)
        assert form.rows in (settings.live_rows, settings.max_batch_size)


@pytest.mark.parametrize("burst", [1, 5, 50])
def test_throughput_does_not_depend_on_the_size_of_bursts(burst: int) -> None:
    moments = np.arange(1, 201) * 0.1
    ended = np.ceil(moments / (0.1 * burst)) * 0.1 * burst
    found = load([15] * 200, ended.tolist()).pictures_per_second(20.0)
    assert found == pytest.approx(10, rel=0.3 if burst == 50 else 0.05)


def test_few_bursts_count_from_start_to_end() -> None:
    assert load([15] * 100, [10.0] * 100).pictures_per_second(8.0) == pytest.approx(10)


def test_latencies_are_those_of_all_or_of_some_steps() -> None:
    found = load([4, 8, 4], [0.1, 0.2, 0.3])
    assert found.latency_ms().tolist() == pytest.approx([100, 200, 300])
    assert found.latency_ms(4).tolist() == pytest.approx([100, 300])


def test_equal_seeds_give_equal_requests() -> None:
    first, again, other = (requests(SIGNATURE, 50, seed) for seed in (1, 1, 2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, again[name])
    assert (first["steps"] != other["steps"]).any()
    assert set(first["steps"]) <= {4, 8, 16, 32}
    assert requests(SIGNATURE, 2, 0, np.array([4, 32]))["steps"].tolist() == [4, 32]


def test_pictures_are_the_same_within_the_contract() -> None:
    ours = np.full((10, 16, 16, 3), 7, np.uint8)
    theirs = ours.copy()
    theirs[0, 0, 0, 0] = 8
    assert same_pictures(ours, theirs)
    theirs[0, 0, 0, 0] = 9
    assert not same_pictures(ours, theirs)
    theirs[0] = 8
    assert not same_pictures(ours, theirs)
