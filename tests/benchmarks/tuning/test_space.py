"""Every candidate is a deployment that the rules allow, whatever is drawn, and the default is what `deploy` serves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from litho.benchmarks.tuning.space import Candidate, Choice, Space
from litho.bundle import Bundle
from litho.errors import UnknownName
from litho.serving.configuration.settings import ServingSettings
from litho.serving.repository.planning import Plan, Wanted

SPACES = st.builds(
    Space,
    variants=st.dictionaries(
        st.sampled_from(["a.fp32.onnx", "a.bf16.onnx", "a.int8.openvino"]), st.integers(1, 256), min_size=1
    ),
    sampler=st.booleans(),
    cores=st.integers(1, 64),
    device=st.sampled_from(["cpu", "cuda"]),
)


@given(space=SPACES, data=st.data())
def test_whatever_is_drawn_is_a_deployment(space: Space, data: st.DataObject) -> None:
    def choose(name: str, choices: Sequence[Choice]) -> Choice:
        return data.draw(st.sampled_from(choices), name)

    candidate = space.draw(choose)
    settings = ServingSettings(**candidate.settings)
    assert settings.device == space.device
    largest = space.variants[candidate.variant]
    limit = settings.max_batch_size or largest
    assert 1 <= limit <= largest
    assert all(1 < size <= limit for size in settings.preferred_batch_sizes)
    assert (settings.threads or 1) <= space.cores
    assert all(value is not None and value != () for value in candidate.settings.values())
    if settings.batching == "in-flight":
        assert space.sampler


@given(space=SPACES)
def test_the_first_candidates_are_within_the_space_and_begin_with_the_default(space: Space) -> None:
    first = list(space.first())
    drawn = []
    for parameters in first:
        assert set(parameters) == set(space.parameters())
        assert all(value in space.choices(name) for name, value in parameters.items())
        drawn.append(space.draw(lambda name, choices, given=parameters: given[name]))
    assert drawn[0] == space.default
    assert {one.variant for one in drawn} == set(space.variants)


@given(space=SPACES, data=st.data())
def test_what_is_served_alike_has_one_key(space: Space, data: st.DataObject) -> None:
    asked: dict[str, Choice] = {}

    def choose(name: str, choices: Sequence[Choice]) -> Choice:
        asked[name] = data.draw(st.sampled_from(choices), name)
        return asked[name]

    one = space.draw(choose)
    again = space.draw(lambda name, choices: asked[name])
    assert one.key == again.key
    assert (one.key == space.default.key) == (dict(one.settings) == dict(space.default.settings)) or (
        one.variant != space.default.variant
    )


def test_a_parameter_without_effect_is_not_asked_for() -> None:
    space = Space({"flow": 64}, sampler=True)
    asked: list[str] = []

    def choose(name: str, choices: Sequence[Choice]) -> Choice:
        asked.append(name)
        return "in-flight" if name == "batching" else 1 if name == "max_batch_size" else choices[0]

    space.draw(choose)
    assert not {"preferred", "instance_count", "max_batch_size"} & set(asked)
    asked.clear()
    Space({"cgan": 64}).draw(choose)
    assert not {"preferred", "max_queue_delay_microseconds", "lanes", "batching"} & set(asked)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'threads'"):
        Space({"cgan": 64}).choices("thread")


def test_a_candidate_is_shown_by_what_differs() -> None:
    settings: dict[str, Any] = {"preferred_batch_sizes": (8, 16), "max_queue_delay_microseconds": 200}
    one = Candidate("generator.fp32.onnx", settings)
    assert one.shown("generator.fp32.onnx") == "preferred_batch_sizes 8,16, max_queue_delay 200"
    assert Candidate("generator.int8.onnx", {}).shown("generator.fp32.onnx") == "generator.int8.onnx"
    assert Candidate("generator.fp32.onnx", {}).shown("generator.fp32.onnx") == "default"


def test_the_default_is_what_deploy_serves(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    space = Space.of(opened, grade="same distribution")
    served = Plan.of(opened, Wanted(name="model")).description
    assert space.default == Candidate(",".join(one.name for one in served.variants), {})
    assert space.variants[space.default.variant] == served.batch_limit
    assert not space.sampler


def test_stages_are_served_together(flow_bundle: Path) -> None:
    space = Space.of(Bundle.load(flow_bundle), grade="same picture")
    assert space.sampler
    assert space.default.variant.count(",") == 2
