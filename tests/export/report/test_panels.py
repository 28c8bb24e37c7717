from __future__ import annotations

import io

import numpy as np
from PIL import Image

from litho.bundle.probes import Probes
from litho.export.report.panels import compare_pictures
from litho.reporting import PageImage

from .conftest import COARSE, LOUD, PARTED, PROBES, REFERENCE


def size_of(picture: PageImage) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture.content)).size


def test_every_row_shows_the_same_probes_with_each_variant_s_worst_among_them() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "int8": COARSE, "fp8": LOUD}, ["int8"])
    assert compared.identical == ["fp32"]
    assert [row[0] for row in compared.chosen] == ["PyTorch", "int8", "difference ×\u00a032"]
    assert [row[0] for row in compared.all] == [
        *("PyTorch", "fp32", "int8", "difference ×\u00a032", "fp8", "difference ×\u00a04")
    ]
    assert compared.columns[:2] == ["made by", "probe 5"]
    for row in compared.all:
        assert len(row) == len(compared.columns)
        for cell in row[1:]:
            assert isinstance(cell, PageImage)
            assert size_of(cell) == (16, 16)
            assert (cell.width, cell.height) == (96, 96)
    coarse, loud = compared.worst
    # 4 grey levels * 32 = 128, and twice as much would be white; so would be 50 * 8.
    assert [coarse[place] for place in (0, 4, 5, 6)] == ["int8", "36.1", "32", "5"]
    assert loud[5] == "4"
    assert str(coarse[7]).startswith("seed 105, prompt “a circle")
    assert len(str(coarse[7])) < 80


def test_probes_that_part_are_shown_beside_pytorch_s_the_furthest_first() -> None:
    made = PARTED.copy()
    made[9] = 255 - REFERENCE[9]
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "fp16": made}, [], {"fp32": (), "fp16": (5, 9)})
    assert [(row[0], row[6]) for row in compared.parted] == [("fp16", "9"), ("fp16", "5")]
    for row in compared.parted:
        assert [isinstance(cell, PageImage) for cell in row] == [False, True, True, True, *[False] * 4]
    many = compare_pictures(PROBES, {"fp16": made}, [], {"fp16": tuple(range(12))})
    assert len(many.parted) == 8


def test_without_a_choice_the_pictures_of_all_variants_are_shown_first() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "int8": COARSE}, [])
    assert compared.chosen == compared.all


def test_a_variant_with_pictures_of_another_shape_is_left_out_of_the_comparison() -> None:
    compared = compare_pictures(PROBES, {"fp32": REFERENCE, "odd": REFERENCE[:, :8]}, [])
    assert compared.identical == ["fp32"]
    assert compared.worst == []


def test_the_difference_of_alpha_is_seen() -> None:
    rng = np.random.default_rng(0)
    for channels in (2, 4):
        reference = rng.integers(0, 250, (6, 16, 16, channels), np.uint8)
        made = reference.copy()
        made[0, :8, :, -1] += 4
        compared = compare_pictures(Probes({"seed": np.arange(6)}, reference), {"int8": made}, [])
        (row,) = compared.worst
        assert isinstance(row[3], PageImage)
        shown = np.asarray(Image.open(io.BytesIO(row[3].content)))
        assert (shown[:8] == 4 * int(str(row[5]))).all()
        assert (shown[8:] == 0).all()
