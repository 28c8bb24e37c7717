"""The plot of speed against closeness to PyTorch: which variants are worth deploying."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...bundle.manifest import Variant
from ...parity.gate import PSNR_MEAN
from ...reporting import BLUE, GREY, ORANGE, Chart, plot
from .choice import metric_value, pareto_front, throughput

__all__ = ["speed_chart"]

SIZE_INCHES = (5.4, 3.9)
_LETTER_POINTS = 5.4, 10.0
"""Width and height of a letter of a label, with a margin: the reader's font may be wider."""

_MARKER_POINTS = 9.0
# From near to far, and at each distance the sides first.
_OFFSETS = [
    (radius * x, radius * y)
    for radius in (9, 16, 26, 38, 52)
    for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (0.8, -0.8), (-0.8, 0.8), (-0.8, -0.8))
]
_LEADER_FROM_POINTS = 12

_STYLES: dict[str, dict[str, Any]] = {
    "recommended": {"marker": "*", "s": 190, "color": ORANGE, "zorder": 5},
    "front": {"marker": "o", "s": 55, "color": BLUE},
    "passed": {"marker": "o", "s": 45, "facecolor": "none", "edgecolor": GREY, "linewidth": 1.4},
    "not offered": {"marker": "+", "s": 60, "color": GREY, "linewidth": 1.6},
    "failed": {"marker": "x", "s": 50, "color": GREY, "linewidth": 1.6},
}
"""How the points of each kind of variant are drawn, in the order of the legend."""

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""


def speed_chart(
    variants: Sequence[Variant], recommended: Collection[str], labels: Mapping[str, str]
) -> Chart | None:
    """Plot mean PSNR over images per second; None if fewer than two variants have both.

    Args:
        variants: of one stage.
        recommended: names of variants.
        labels: name of a variant -> its label.
    """
    front = pareto_front(variants)
    points = [
        (variant, speed, quality)
        for variant in variants
        if (speed := throughput(variant)) is not None
        and (quality := metric_value(variant, PSNR_MEAN)) is not None
    ]
    if len(points) < 2:
        return None

    def kind_of(variant: Variant) -> str:
        if variant.verdict.status != "passed":
            return "not offered" if variant.verdict.status == "not_offered" else "failed"
        if variant.name in recommended:
            return "recommended"
        return "front" if variant.name in front else "passed"

    def draw(axes: Any) -> None:
        for kind, style in _STYLES.items():
            chosen = [(speed, quality) for variant, speed, quality in points if kind_of(variant) == kind]
            if chosen:
                axes.scatter(*zip(*chosen, strict=True), label=kind, **style)
        best = sorted((speed, quality) for variant, speed, quality in points if variant.name in front)
        if len(best) > 1:
            axes.plot(*zip(*best, strict=True), color=BLUE, linewidth=1, linestyle=":", zorder=1)
        axes.set_xlim(0, 1.12 * max(speed for _, speed, _ in points))
        lowest, highest = (pick(quality for *_, quality in points) for pick in (min, max))
        room = max(5.0, 0.1 * (highest - lowest))
        axes.set_ylim(lowest - room, highest + room)
        axes.set_xlabel("images/s at the best batch size")
        axes.set_ylabel("mean PSNR, dB")
        _label(axes, [(labels[variant.name], speed, quality) for variant, speed, quality in points])

    fastest = max(points, key=lambda point: point[1])
    return plot(
        draw,
        f"Mean PSNR over images per second of {len(points)} variants; the fastest is {labels[fastest[0].name]}.",
        size_inches=SIZE_INCHES,
        grid="both",
    )


def _label(axes: Any, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside points, each where it overlaps other names and points least."""
    axes.figure.draw_without_rendering()  # fixes the layout, which the positions of the points depend on
    scale = 72 / axes.figure.dpi
    spots = [tuple(scale * axes.transData.transform((x, y))) for _, x, y in points]
    half = _MARKER_POINTS / 2
    taken: list[Box] = [(x - half, y - half, x + half, y + half) for x, y in spots]
    frame: Box = tuple(scale * extent for extent in axes.bbox.extents)
    # From right to left: at the right border there is the least room.
    for (text, x, y), spot in sorted(zip(points, spots, strict=True), key=lambda entry: -entry[1][0]):
        shift = min(_OFFSETS, key=lambda offset: _covered(_box(text, spot, offset), taken, frame))
        taken.append(_box(text, spot, shift))
        sides = ["left" if shift[0] > 0 else "right", "bottom" if shift[1] > 0 else "top"]
        far = max(map(abs, shift)) > _LEADER_FROM_POINTS
        axes.annotate(
            text,
            (x, y),
            xytext=shift,
            textcoords="offset points",
            ha=sides[0] if shift[0] else "center",
            va=sides[1] if shift[1] else "center",
            fontsize=9,
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.7} if far else None,
        )


def _box(text: str, spot: Sequence[float], offset: tuple[float, float]) -> Box:
    width, height = _LETTER_POINTS[0] * len(text), _LETTER_POINTS[1]
    (x, y), (dx, dy) = spot, offset
    left = x + dx - (0 if dx > 0 else width if dx < 0 else width / 2)
    bottom = y + dy - (0 if dy > 0 else height if dy < 0 else height / 2)
    return left, bottom, left + width, bottom + height


def _covered(box: Box, taken: Sequence[Box], frame: Box) -> float:
    """Area of a box that lies on other boxes or outside the frame."""
    area = (box[2] - box[0]) * (box[3] - box[1])
    return sum(_shared(box, other) for other in taken) + area - _shared(box, frame)


def _shared(one: Box, other: Box) -> float:
    width, height = (
        max(0.0, min(one[side + 2], other[side + 2]) - max(one[side], other[side])) for side in (0, 1)
    )
    return width * height
