import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from litho.signature.noise import MAX_SEED, PRIME, gaussian, integers, keys

seeds = st.integers(min_value=0, max_value=MAX_SEED)
EDGES = [0, 1, PRIME - 1, PRIME, PRIME + 1, PRIME**2 - 1, PRIME**2, PRIME**2 + 1, 2 * PRIME**2, MAX_SEED]


@given(st.lists(seeds, min_size=1, max_size=8), st.integers(1, 33), st.integers(0, 5))
def test_numpy_and_torch_give_the_same_integers(values: list[int], count: int, stream: int) -> None:
    torch = pytest.importorskip("torch")
    array = np.array(values, dtype=np.int64)
    with_torch = integers(torch.from_numpy(array), count, stream).numpy()
    np.testing.assert_array_equal(integers(array, count, stream), with_torch)


@given(seeds, st.integers(1, 40))
def test_integers_follow_python_s_unbounded_arithmetic(seed: int, count: int) -> None:
    """No product overflows: the same formula on Python's own integers gives the same values."""
    array = np.array([seed], dtype=np.int64)
    exact = np.array([seed], dtype=object)
    np.testing.assert_array_equal(np.stack(keys(array)).tolist(), np.stack(keys(exact)).tolist())
    values = integers(array, count)
    assert values.min() >= 0
    assert values.max() < PRIME


@given(seeds, seeds)
def test_different_seeds_have_different_keys(one: int, other: int) -> None:
    first, second = keys(np.array([one, other], dtype=np.int64))
    same = (first[0], second[0]) == (first[1], second[1])
    assert same == (one == other)


@given(st.lists(seeds, min_size=1, max_size=6), st.integers(1, 50), st.integers(0, 49))
def test_noise_depends_on_seed_and_position_alone(values: list[int], count: int, shorter: int) -> None:
    array = np.array(values, dtype=np.int64)
    together = gaussian(array, count)
    for row, seed in zip(together, array, strict=True):
        np.testing.assert_array_equal(gaussian(seed[None], count)[0], row)
    np.testing.assert_array_equal(gaussian(array, max(1, shorter))[:, :count], together[:, : max(1, shorter)])


def test_noise_is_finite_float32_over_the_whole_range_of_seeds() -> None:
    noise = gaussian(np.array(EDGES, dtype=np.int64), 1001)
    assert noise.dtype == np.float32
    assert noise.shape == (len(EDGES), 1001)
    assert np.abs(noise).max() < 6.7
    assert len({row.tobytes() for row in noise}) == len(EDGES)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 12345, PRIME**2 - 2000, MAX_SEED - 20_000])
def test_moments_and_distribution_are_normal(first: int) -> None:
    values = gaussian(first + np.arange(20_000, dtype=np.int64), 64).astype(np.float64)
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert abs(values.std() - 1) < 4 / np.sqrt(2 * values.size)
    assert abs(stats.kurtosis(values, axis=None)) < 4 * np.sqrt(24 / values.size)
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("step", [1, 2, PRIME, PRIME**2])
def test_neighbouring_seeds_and_positions_are_uncorrelated(step: int) -> None:
    array = np.arange(4000, dtype=np.int64) * step % (MAX_SEED // 2)
    values = gaussian(np.unique(array), 64).astype(np.float64)
    bound = 4.5 / np.sqrt(len(values))
    between_positions = np.corrcoef(values.T) - np.eye(64)
    assert np.abs(between_positions).max() < bound
    between_seeds = (values[1:] * values[:-1]).mean()
    assert abs(between_seeds) < 4.5 / np.sqrt(values[1:].size)


def test_streams_of_one_seed_are_independent() -> None:
    array = np.arange(4000, dtype=np.int64)
    first, second = (gaussian(array, 32, stream).ravel().astype(np.float64) for stream in (0, 1))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4.5 / np.sqrt(first.size)
    assert not np.isin(integers(array[:1], 64, 1), integers(array[:1], 64, 0)).any()


@pytest.mark.slow
def test_an_onnx_graph_gives_the_same_integers_and_the_same_noise() -> None:
    torch = pytest.importorskip("torch")
    runtime = pytest.importorskip("onnxruntime")

    class Noise(torch.nn.Module):
        def forward(self, seed: Any) -> Any:
            return integers(seed, 33, 2), gaussian(seed, 33, 2)

    array = np.array(EDGES + np.random.default_rng(0).integers(0, MAX_SEED, 500).tolist(), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        program = torch.onnx.export(
            Noise().eval(),
            (torch.from_numpy(array[:2]),),
            dynamo=True,
            opset_version=21,
            input_names=["seed"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    session = runtime.InferenceSession(
        program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    exact, noise = session.run(None, {"seed": array})
    np.testing.assert_array_equal(exact, integers(array, 33, 2))
    np.testing.assert_allclose(noise, gaussian(array, 33, 2), atol=2e-6)
