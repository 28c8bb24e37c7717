import math

import pytest
import torch
from hypothesis import given, settings, strategies as st

from litho.errors import UsageError
from litho.training.networks.transformer import HEAD_WIDTH, Block, FinalNorm, head_count, sinusoids

WIDTH = 32


@settings(max_examples=10)
@given(st.permutations(range(6)))
def test_a_block_knows_no_order_of_its_tokens(order: list[int]) -> None:
    torch.manual_seed(0)
    block, tokens = Block(WIDTH), torch.randn(2, 6, WIDTH)
    torch.testing.assert_close(block(tokens[:, order]), block(tokens)[:, order])


def test_a_conditioned_block_starts_as_the_identity_and_reads_its_text_afterwards() -> None:
    torch.manual_seed(0)
    block = Block(WIDTH, condition=8, text=12)
    tokens, condition, text = torch.randn(2, 6, WIDTH), torch.randn(2, 8), torch.randn(2, 3, 12)
    assert torch.equal(block(tokens, condition, text), tokens)
    assert block.modulation is not None
    torch.nn.init.normal_(block.modulation.weight)
    made = block(tokens, condition, text)
    assert made.shape == tokens.shape
    assert not torch.allclose(made, block(tokens, condition, text + 1))
    assert not torch.allclose(made, block(tokens, condition + 1, text))


def test_a_final_norm_starts_as_layer_normalisation() -> None:
    tokens = torch.randn(2, 6, WIDTH) * 3 + 1
    made = FinalNorm(WIDTH, 8)(tokens, torch.randn(2, 8))
    torch.testing.assert_close(made, torch.nn.functional.layer_norm(tokens, (WIDTH,)))


@given(st.integers(1, 2048))
def test_heads_divide_a_width_evenly_or_it_is_refused(width: int) -> None:
    if width % max(1, width // HEAD_WIDTH):
        with pytest.raises(UsageError, match="expected a multiple of 64"):
            head_count(width)
    else:
        heads = head_count(width)
        assert width % heads == 0
        assert width / heads < 2 * HEAD_WIDTH


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=8), st.integers(1, 32))
def test_sinusoids_are_points_on_circles(positions: list[float], half: int) -> None:
    made = sinusoids(torch.tensor(positions), 2 * half)
    cosines, sines = made.chunk(2, 1)
    torch.testing.assert_close(cosines**2 + sines**2, torch.ones(len(positions), half))
    assert cosines[0, 0].item() == pytest.approx(math.cos(positions[0]), abs=1e-3)
