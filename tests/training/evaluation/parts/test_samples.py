import numpy as np

from litho.training.evaluation.parts.samples import between


def test_a_walk_stays_as_far_from_the_middle_as_its_ends() -> None:
    start, end = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    end *= np.linalg.norm(start) / np.linalg.norm(end)
    walk = between(start, end, 7)
    assert walk.shape == (7, 64)
    assert np.allclose(walk[0], start, atol=1e-5)
    assert np.allclose(walk[-1], end, atol=1e-5)
    assert np.allclose(np.linalg.norm(walk, axis=1), np.linalg.norm(start), rtol=1e-4)
    assert np.allclose(between(start, start, 3), start, atol=1e-5)
