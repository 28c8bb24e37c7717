import math

import pytest
import torch
from hypothesis import given, strategies as st

from litho.training.objectives import losses

finite = st.floats(-20, 20, width=32)
logits = st.lists(finite, min_size=1, max_size=8).map(lambda values: torch.tensor(values))


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
    assert losses.non_saturating_generator(real, fake).item() == pytest.approx(
        -log_logistic(fake), rel=1e-5, abs=1e-6
    )


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=8))
def test_relativistic_losses_see_differences_of_pairs_alone(pairs: list[tuple[float, float]]) -> None:
    real, fake = torch.tensor(pairs).T
    discriminator, generator = losses.relativistic_discriminator, losses.relativistic_generator
    expected = sum(math.log1p(math.exp(made - drawn)) for drawn, made in pairs) / len(pairs)
    assert discriminator(real, fake).item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert generator(real, fake) == discriminator(fake, real)
    torch.testing.assert_close(
        discriminator(real + 4, fake + 4), discriminator(real, fake), rtol=1e-4, atol=1e-5
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "loss", [losses.hinge_generator, losses.non_saturating_generator, losses.relativistic_generator]
)
@given(values=logits)
def test_a_generator_is_rewarded_for_every_higher_logit(loss, values: torch.Tensor) -> None:
    values = values.clone().requires_grad_()
    loss(values.detach(), values).backward()
    assert (values.grad <= 0).all()


@given(st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=6))
def test_the_gradient_of_a_linear_discriminator_has_the_length_of_its_weights(weights: list[float]) -> None:
    weight = torch.tensor(weights).requires_grad_()
    images = torch.randn(3, len(weights)).requires_grad_()
    squares = losses.squared_gradient(images, images @ weight)
    assert squares.tolist() == pytest.approx(
        3 * [sum(value * value for value in weights)], rel=1e-5, abs=1e-6
    )
    squares.mean().backward()
    torch.testing.assert_close(weight.grad, 2 * weight.detach())


gaussians = st.lists(
    st.tuples(st.floats(-5, 5, width=32), st.floats(-5, 5, width=32)), min_size=1, max_size=6
)


@given(gaussians)
def test_the_divergence_of_a_gaussian_is_that_of_torch_and_never_negative(
    parameters: list[tuple[float, float]],
) -> None:
    mean, log_variance = (part[None] for part in torch.tensor(parameters).T)
    divergence = losses.gaussian_divergence(mean, log_variance)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (log_variance / 2).exp()), torch.distributions.Normal(0.0, 1.0)
    )
    torch.testing.assert_close(divergence, expected.sum(1), rtol=1e-4, atol=1e-4)
    assert divergence >= -1e-4
    assert losses.gaussian_divergence(0 * mean, 0 * mean) == 0


@given(gaussians, st.floats(-4, 3))
def test_the_likelihood_of_a_gaussian_is_that_of_torch(
    pairs: list[tuple[float, float]], log_scale: float
) -> None:
    values, mean = torch.tensor(pairs).T
    scale = torch.tensor(log_scale)
    expected = torch.distributions.Normal(mean, scale.exp()).log_prob(values)
    torch.testing.assert_close(
        losses.gaussian_log_likelihood(values, mean, scale), expected, rtol=1e-4, atol=1e-4
    )
