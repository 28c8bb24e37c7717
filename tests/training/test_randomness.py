import numpy as np
import torch
from hypothesis import given, strategies as st

from litho.training.randomness import Draw, batch_indices, first_weights_seed

seeds = st.integers(0, 2**31 - 1)


@given(seeds, st.integers(1, 40), st.integers(1, 50), st.integers(0, 30))
def test_every_image_comes_once_per_pass(seed: int, batch: int, count: int, first: int) -> None:
    steps = -(-count * (first + 2) // batch)
    order = np.concatenate([batch_indices(seed, step, batch, count) for step in range(steps)])
    for number in range(first + 2):
        assert sorted(order[number * count : (number + 1) * count]) == list(range(count))


@given(seeds, st.integers(0, 10**6))
def test_a_step_draws_the_same_whenever_it_is_asked(seed: int, step: int) -> None:
    one, other = (Draw(seed, step, 4, slice(None)) for _ in range(2))
    assert torch.equal(one.normal(3), other.normal(3))
    assert torch.equal(one.uniform(2, 2), other.uniform(2, 2))
    assert torch.equal(one.integers(7), other.integers(7))
    assert not torch.equal(one.normal(3), Draw(seed, step + 1, 4, slice(None)).normal(3))


@given(seeds, st.integers(0, 1000), st.sampled_from([1, 2, 4]))
def test_processes_share_the_draw_of_one(seed: int, step: int, processes: int) -> None:
    share = 8 // processes
    parts = [Draw(seed, step, 8, slice(share * number, share * (number + 1))) for number in range(processes)]
    whole = Draw(seed, step, 8, slice(None))
    assert torch.equal(torch.cat([part.normal(5) for part in parts]), whole.normal(5))
    assert torch.equal(torch.cat([part.integers(9, 2) for part in parts]), whole.integers(9, 2))


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(batch_indices(seed, number, 50, 50)) for seed in range(3) for number in range(3)}
    assert len(orders) == 9
    assert len({first_weights_seed(seed) for seed in range(1000)}) == 1000
