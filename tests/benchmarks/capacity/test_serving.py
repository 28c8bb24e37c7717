from collections import Counter

import numpy as np
import pytest

from litho.benchmarks.capacity.serving import mix_of, settings_of
from litho.benchmarks.capacity.shape import Kind, Served
from litho.errors import UsageError
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field

STEPS = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=50, default=4)
SAMPLER = Signature(inputs=(seed_field(), STEPS), output=image_output(4, 4, 1))
PLAIN = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))


def test_kinds_reach_the_load_generator_in_their_shares_and_without_a_pattern() -> None:
    mix = mix_of((Kind(steps=4, weight=3), Kind(steps=16, rows=2)), SAMPLER)
    assert mix is not None
    drawn = [
        (int(one["steps"][0]), len(one["steps"]))
        for one in mix.draw(SAMPLER, 64, 1, np.random.default_rng(0))
    ]
    assert Counter(drawn) == {(4, 1): 48, (16, 2): 16}
    assert drawn != sorted(drawn)


def test_one_picture_of_one_graph_needs_no_mix_and_steps_need_a_sampler() -> None:
    assert mix_of((Kind(),), PLAIN) is None
    with pytest.raises(UsageError, match="this generator takes none"):
        mix_of((Kind(steps=4),), PLAIN)


def test_settings_are_those_of_the_way_to_serve() -> None:
    whole = settings_of(Served(instances=3, threads=2, largest=8, preferred=(4,), delay_ms=1.5))
    assert (whole.instance_count, whole.threads, whole.max_batch_size) == (3, 2, 8)
    assert (whole.preferred_batch_sizes, whole.max_queue_delay_microseconds) == ((4,), 1500)
    flight = settings_of(Served(batching="in-flight", largest=16))
    assert (flight.batching, flight.lanes, flight.live_rows) == ("in-flight", 2, 16)
    assert settings_of(Served(), "cuda").threads is None
