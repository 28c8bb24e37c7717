import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from litho.training import losses

logits = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=8).map(
    lambda values: torch.tensor(values)
)


@given(logits, logits)
def test_hinge_is_zero_exactly_where_every_logit_is_beyond_its_margin(
    real: torch.Tensor, fake: torch.Tensor
) -> None:
    loss = losses.hinge_discriminator(real, fake)
    assert loss >= 0
    assert (loss == 0) == bool((real >= 1).all() and (fake <= -1).all())


@given(logits, logits)
def test_non_saturating_losses_are_the_logarithms_of_goodfellow(
    real: torch.Tensor, fake: torch.Tensor
) -> None:
    def log_logistic(values: torch.Tensor) -> float:
        return sum(-math.log1p(math.exp(-value)) for value in values.tolist()) / len(values)

    discriminator = losses.non_saturating_discriminator(real, fake)
    assert discriminator.item() == pytest.approx(
        -log_logistic(real) - log_logistic(-fake), rel=1e-5, abs=1e-6
    )
    assert losses.non_saturating_generator(fake).item() == pytest.approx(
        -log_logistic(fake), rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize("loss", [losses.hinge_generator, losses.non_saturating_generator])
@given(values=logits)
def test_a_generator_is_rewarded_for_every_higher_logit(loss, values: torch.Tensor) -> None:
    values = values.clone().requires_grad_()
    loss(values).backward()
    assert (values.grad <= 0).all()


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=6))
def test_r1_of_a_linear_discriminator_is_the_squared_length_of_its_weights(weights: list[float]) -> None:
    weight = torch.tensor(weights).requires_grad_()
    images = torch.randn(3, len(weights)).requires_grad_()
    penalty = losses.r1_penalty(images, images @ weight)
    assert penalty.item() == pytest.approx(sum(value * value for value in weights), rel=1e-5, abs=1e-6)
    penalty.backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())
