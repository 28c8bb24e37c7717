"""Distances between the features of two sets of pictures.

Features are FP64 tensors of shape (count, features) on the CPU. Values that are not finite are refused before any
computation, because LAPACK ends the process on a NaN.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import EvaluationError
from ...extras import require

__all__ = ["ManifoldMetrics", "frechet_distance", "kernel_distance", "manifold_metrics", "nearest"]

KERNEL_SUBSETS = 100
KERNEL_SUBSET_SIZE = 1000
PRECISION_NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5
ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class ManifoldMetrics:
    """Overlap of the manifolds of generated and real pictures.

    Args:
        precision: share of generated pictures inside the real manifold (Kynkaanniemi et al. 2019, eq. 1-2); all of
            them if they are alike and lie in the neighbourhood of one real picture, which coverage shows.
        recall: share of real pictures inside the generated manifold.
        density: real neighbourhoods per generated picture, over the expected number; 1 for equal distributions, more
            if generated pictures concentrate (Naeem et al. 2020, section 3).
        coverage: share of real pictures with a generated one in their neighbourhood (Naeem et al. 2020, section 3).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def frechet_distance(real: Tensor, generated: Tensor) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the sets' means and covariances (Heusel et al. 2017, eq. 6).

    Raises:
        EvaluationError: a feature is NaN or infinite, or a set has fewer than two pictures.
    """
    distance = _torchmetrics("fid").FrechetInceptionDistance(_Given(real.shape[1]))
    return _compute(distance, real, generated)


def kernel_distance(real: Tensor, generated: Tensor) -> float:
    """The squared maximum mean discrepancy with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, section 4).

    The mean over `KERNEL_SUBSETS` random subsets of `KERNEL_SUBSET_SIZE` pictures, or of half the smaller set. The
    estimate is unbiased and can be slightly negative.

    Raises:
        EvaluationError: as for `frechet_distance`.
    """
    size = min(KERNEL_SUBSET_SIZE, max(2, min(len(real), len(generated)) // 2))
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Metric `Kernel Inception Distance` will save all extracted features"
        )
        distance = _torchmetrics("kid").KernelInceptionDistance(
            _Given(real.shape[1]), subsets=KERNEL_SUBSETS, subset_size=size
        )
    return _compute(distance, real, generated)


def manifold_metrics(real: Tensor, generated: Tensor) -> ManifoldMetrics:
    """Precision, recall, density and coverage. They depend on the sizes of the sets: compare only equal sizes.

    Raises:
        EvaluationError: a feature is NaN or infinite, or a set has fewer pictures than neighbours.
    """
    least = DENSITY_NEIGHBOURS + 1
    for features in (real, generated):
        _check(features, least)
    real_near, real_wide = _radii(real, (PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS))
    (generated_near,) = _radii(generated, (PRECISION_NEIGHBOURS,))
    within_real = torch.zeros(len(generated), dtype=torch.bool)
    neighbourhoods, recalled, covered = 0, 0, 0
    parts = (tensor.split(ROWS_AT_ONCE) for tensor in (real, real_near, real_wide))
    for rows, near, wide in zip(*parts, strict=True):
        distances = torch.cdist(rows, generated)
        within_real |= (distances <= near[:, None]).any(0)
        recalled += int((distances <= generated_near).any(1).sum())
        inside = distances <= wide[:, None]
        neighbourhoods += int(inside.sum())
        covered += int(inside.any(1).sum())
    return ManifoldMetrics(
        precision=float(within_real.double().mean()),
        recall=recalled / len(real),
        density=neighbourhoods / (DENSITY_NEIGHBOURS * len(generated)),
        coverage=covered / len(real),
    )


def nearest(queries: Tensor, among: Tensor, count: int = 1) -> tuple[Tensor, Tensor]:
    """Nearest neighbours of each query.

    Args:
        queries: of shape (queries, features).
        among: of shape (pictures, features).
        count: neighbours per query.

    Returns:
        Euclidean distances, ascending, and indices into `among`, both of shape (queries, count).

    Raises:
        EvaluationError: a feature is NaN or infinite, or there are fewer than `count` pictures.
    """
    _check(queries, 1)
    _check(among, count)
    found = [torch.cdist(part, among).topk(count, largest=False) for part in queries.split(ROWS_AT_ONCE)]
    return torch.cat([part.values for part in found]), torch.cat([part.indices for part in found])


class _Given(nn.Module):
    """Identity, as the feature extractor that torchmetrics expects."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.num_features = features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _torchmetrics(module: str) -> Any:
    return require(f"torchmetrics.image.{module}", "train")


def _compute(distance: Any, real: Tensor, generated: Tensor) -> float:
    for features in (real, generated):
        _check(features, 2)
    distance.update(real, real=True)
    distance.update(generated, real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value = distance.compute()
    value = float(value[0] if isinstance(value, tuple) else value)
    if not math.isfinite(value):
        raise EvaluationError(f"the distance of the features is {value}")
    return value


def _radii(features: Tensor, neighbours: tuple[int, ...]) -> tuple[Tensor, ...]:
    """Distance of each row to its n-th nearest other row, for each n: FP64 tensors of shape (count,)."""
    found, _ = nearest(features, features, max(neighbours) + 1)
    # The nearest row is the row itself, hence one more.
    return tuple(found[:, number] for number in neighbours)


def _check(features: Tensor, least: int) -> None:
    if len(features) < least:
        raise EvaluationError(
            f"{len(features)} pictures are too few for this figure; it needs {least} or more"
        )
    if not torch.isfinite(features).all():
        raise EvaluationError("a feature is NaN or infinite; no distance can be computed")
