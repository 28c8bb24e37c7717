import math

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from litho.errors import EvaluationError
from litho.training.metrics.distance import frechet_distance, kernel_distance, manifold_metrics, nearest


def normal(count: int, features: int = 4, seed: int = 0) -> torch.Tensor:
    """Draws whose mean is exactly 0 and whose covariance is exactly the identity."""
    drawn = np.random.default_rng(seed).standard_normal((count, features))
    centred = drawn - drawn.mean(0)
    return torch.from_numpy(centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred.T))).T)


def modes_at(centres: list[float], each: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    places = torch.tensor(centres, dtype=torch.float64).repeat_interleave(each)
    return places[:, None] + 0.1 * torch.randn(len(places), 3, generator=random, dtype=torch.float64)


@pytest.mark.slow
@given(
    st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.lists(st.floats(0.1, 5), min_size=4, max_size=4)
)
def test_the_frechet_distance_of_two_gaussians_is_its_closed_form(
    shift: list[float], scale: list[float]
) -> None:
    real, made = normal(200), normal(150, seed=1)
    made = made * torch.tensor(scale, dtype=torch.float64) + torch.tensor(shift, dtype=torch.float64)
    expected = sum(s**2 for s in shift) + sum((s - 1) ** 2 for s in scale)
    assert frechet_distance(real, made) == pytest.approx(expected, abs=1e-6)


def test_the_frechet_distance_of_gaussians_with_covariances_that_do_not_commute() -> None:
    first, second = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.8], [-0.8, 3.0]])
    real = normal(300, 2) @ torch.from_numpy(np.linalg.cholesky(first)).T
    made = normal(300, 2, seed=1) @ torch.from_numpy(np.linalg.cholesky(second)).T
    # tr (C1 C2)^(1/2) of 2x2 matrices: sqrt(tr(C1 C2) + 2 sqrt(det(C1 C2))).
    product = first @ second
    root = math.sqrt(np.trace(product) + 2 * math.sqrt(np.linalg.det(product)))
    assert frechet_distance(real, made) == pytest.approx(np.trace(first + second) - 2 * root, abs=1e-6)


def test_the_frechet_distance_of_a_set_to_itself_is_nothing() -> None:
    features = normal(50)
    assert frechet_distance(features, features.flip(0)) == pytest.approx(0, abs=1e-6)


def test_fewer_pictures_than_features_still_have_a_frechet_distance() -> None:
    assert math.isfinite(frechet_distance(normal(200, 16)[:9], normal(200, 16)[9:14]))


def test_the_kernel_distance_is_about_nothing_for_one_law_and_grows_with_a_shift() -> None:
    real, same = normal(400, seed=0), normal(400, seed=1)
    distances = [kernel_distance(real, same + shift) for shift in (0.0, 0.5, 1.0)]
    assert abs(distances[0]) < 0.1
    assert 0.2 < distances[1] < distances[2]


def test_distances_are_the_same_at_every_call_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    assert kernel_distance(normal(60), normal(60, seed=1)) == kernel_distance(normal(60), normal(60, seed=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_sets_of_one_law_are_alike() -> None:
    found = manifold_metrics(normal(400, seed=0), normal(400, seed=1))
    assert found.precision > 0.85
    assert found.recall > 0.85
    assert found.density == pytest.approx(1, abs=0.1)
    assert found.coverage > 0.9


def test_a_set_is_wholly_like_itself() -> None:
    found = manifold_metrics(normal(60), normal(60))
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)


def test_sets_far_apart_are_not_alike() -> None:
    found = manifold_metrics(normal(100), normal(100, seed=1) + 50)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_dropped_modes_take_recall_and_coverage_and_leave_precision() -> None:
    real = modes_at([0, 10, 20, 30], 50)
    whole, half = modes_at([0, 10, 20, 30], 50, seed=1), modes_at([0, 10], 100, seed=2)
    all_modes, two_modes = manifold_metrics(real, whole), manifold_metrics(real, half)
    assert two_modes.recall < 0.6 * all_modes.recall
    assert two_modes.coverage <= 0.5 < all_modes.coverage
    assert two_modes.precision > 0.8


def test_invented_modes_take_precision_and_leave_recall() -> None:
    real, made = modes_at([0, 10], 100), modes_at([0, 10, 20, 30], 50, seed=1)
    found = manifold_metrics(real, made)
    assert found.precision <= 0.5
    assert found.recall > 0.8


def test_one_picture_again_and_again_has_no_recall() -> None:
    real = normal(100)
    found = manifold_metrics(real, real[:1].repeat(100, 1))
    assert found.precision == 1
    assert found.recall <= 0.01
    assert found.coverage < 0.2


def test_the_nearest_are_found_in_order() -> None:
    among = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    distances, indices = nearest(torch.tensor([[0.9]], dtype=torch.float64), among, 3)
    assert indices.tolist() == [[1, 0, 2]]
    assert distances[0].tolist() == pytest.approx([0.1, 0.9, 2.1])


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, manifold_metrics, nearest])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_features_that_are_not_finite_are_refused(measure, bad: float) -> None:
    features = normal(20)
    spoiled = features.clone()
    spoiled[3, 1] = bad
    for pair in ((features, spoiled), (spoiled, features)):
        with pytest.raises(EvaluationError, match="NaN or infinite"):
            measure(*pair)


@pytest.mark.parametrize(
    ("measure", "count"), [(frechet_distance, 1), (kernel_distance, 1), (manifold_metrics, 5)]
)
def test_too_few_pictures_are_refused(measure, count: int) -> None:
    with pytest.raises(EvaluationError, match=f"{count} pictures are too few"):
        measure(normal(20), normal(20)[:count])
