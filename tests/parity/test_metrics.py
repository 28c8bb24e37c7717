import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.parity.metrics import IDENTICAL_PSNR_DB, psnr_db, ssim

REFERENCE = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)


def noisy(levels: int) -> np.ndarray:
    noise = np.random.default_rng(1).integers(-levels, levels + 1, REFERENCE.shape)
    return np.clip(REFERENCE + noise, 0, 255).astype(np.uint8)


@given(st.integers(1, 255))
def test_psnr_follows_its_definition_for_each_picture(levels: int) -> None:
    pictures = noisy(levels)
    squared = np.mean((pictures.astype(float) - REFERENCE) ** 2, axis=(1, 2, 3))
    assert psnr_db(pictures, REFERENCE) == pytest.approx(10 * np.log10(255**2 / squared))


def test_identical_pictures_have_the_largest_psnr_and_an_ssim_of_one() -> None:
    assert psnr_db(REFERENCE, REFERENCE).tolist() == [IDENTICAL_PSNR_DB] * len(REFERENCE)
    assert ssim(REFERENCE, REFERENCE) == pytest.approx(1)


def test_a_mask_leaves_only_its_pixels() -> None:
    pictures, mask = REFERENCE.copy(), np.zeros(REFERENCE.shape[:3], bool)
    mask[:, 4:8, 2:6] = True
    pictures[~mask] = 255 - pictures[~mask]
    assert psnr_db(pictures, REFERENCE, mask).tolist() == [IDENTICAL_PSNR_DB] * len(REFERENCE)
    assert (psnr_db(pictures, REFERENCE, ~mask) < psnr_db(pictures, REFERENCE)).all()


def test_ssim_falls_with_noise() -> None:
    values = [ssim(noisy(levels), REFERENCE) for levels in (0, 5, 20, 60)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 0.95


@pytest.mark.parametrize("shape", [(2, 3, 9, 1), (2, 10, 10, 3), (1, 1, 1, 3)])
def test_pictures_smaller_than_the_window_get_a_smaller_one(shape: tuple[int, ...]) -> None:
    small = np.zeros(shape, np.uint8)
    assert ssim(small, small) == pytest.approx(1)
    assert ssim(small, small + 200) < 0.5


@pytest.mark.parametrize("size", [(16, 16, 3), (32, 12, 1), (12, 14, 2), (13, 12, 4)])
def test_ssim_agrees_with_torchmetrics(size: tuple[int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torchmetrics.functional.image")
    random = np.random.default_rng(2)
    made, wanted = (random.integers(0, 256, (3, *size), dtype=np.uint8) // scale for scale in (1, 2))
    tensors = [torch.from_numpy(pictures).permute(0, 3, 1, 2).double() for pictures in (made, wanted)]
    theirs = float(functional.structural_similarity_index_measure(*tensors, data_range=255.0))
    assert ssim(made, wanted, reflect=True) == pytest.approx(theirs, abs=1e-9)
    # Without the reflected border fewer windows count.
    assert ssim(made, wanted) == pytest.approx(theirs, abs=0.05)
