import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from litho.errors import UnknownName, UsageError
from litho.reporting import data_uri, human_bytes, number, page_image, picture_grid, png, render


def pictures(count=6, height=8, width=8, channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


@given(
    arrays(np.uint8, st.tuples(*[st.integers(1, 5)] * 3, st.sampled_from([1, 3]))),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_grid_shows_every_pixel_of_every_picture_at_its_place(images, columns, scale):
    _, height, width, _ = images.shape
    grid = np.asarray(picture_grid(images, columns=columns, magnify=scale, gap=3))
    for index, pixels in enumerate(images):
        row, column = divmod(index, columns)
        top, left = row * (height * scale + 3), column * (width * scale + 3)
        shown = grid[top : top + height * scale : scale, left : left + width * scale : scale]
        np.testing.assert_array_equal(shown[..., :3], np.broadcast_to(pixels, (height, width, 3)))
        assert (shown[..., 3] == 255).all()


def test_small_pictures_are_magnified_and_large_ones_are_not():
    assert picture_grid(pictures(1, 8, 8)).width == 96
    assert picture_grid(pictures(1, 300, 300)).size == (300, 300)


def test_headings_add_room_and_leave_the_pictures_alone():
    bare = np.asarray(picture_grid(pictures(), columns=3))
    headed = np.asarray(
        picture_grid(pictures(), columns=3, row_names=["zero", "one"], column_names=list("abc"))
    )
    height, width, _ = bare.shape
    assert headed.shape[0] > height
    assert headed.shape[1] > width
    np.testing.assert_array_equal(headed[-height:, -width:], bare)
    assert headed[:-height, :, 3].any()
    assert headed[:, :-width, 3].any()


def test_a_grid_is_transparent_between_its_pictures():
    grid = np.asarray(picture_grid(pictures(2, 8, 8), columns=2, magnify=1, gap=3))
    assert (grid[:, 8:11, 3] == 0).all()


@pytest.mark.parametrize("channels", [2, 4])
def test_a_grid_keeps_what_is_transparent(channels):
    images = pictures(1, 4, 4, channels)
    grid = np.asarray(picture_grid(images, magnify=1))
    np.testing.assert_array_equal(grid[..., 3], images[0, ..., -1])
    np.testing.assert_array_equal(grid[..., :3], np.broadcast_to(images[0, ..., :-1], (4, 4, 3)))


@pytest.mark.parametrize("channels", [2, 4])
def test_squares_shine_through_a_picture_of_a_page(channels):
    image = pictures(1, 96, 96, channels)[0]
    image[:48, :, -1], image[48:, :, -1] = 0, 255
    shown = np.asarray(Image.open(io.BytesIO(page_image(image, "a ghost").content)))
    assert shown.shape == (96, 96, 3)
    assert set(np.unique(shown[:48])) == {204, 255}
    assert shown[0, 0].tolist() == shown[8, 8].tolist() == [255] * 3
    assert shown[0, 8].tolist() == [204] * 3
    np.testing.assert_array_equal(shown[48:], np.broadcast_to(image[48:, :, :-1], (48, 96, 3)))


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (pictures().astype(np.float32), ()),
        (pictures()[0], ()),
        (pictures(0), ()),
        (pictures(channels=5), ()),
        (pictures(), ("only one",)),
    ],
)
def test_grid_refuses_what_it_cannot_lay_out(images, names):
    with pytest.raises(UsageError, match="picture grid"):
        picture_grid(images, columns=3, row_names=names)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_gives_the_picture_back(channels):
    pixels = pictures(1, 5, 7, channels)[0]
    back = np.asarray(Image.open(io.BytesIO(png(pixels)))).reshape(5, 7, channels)
    np.testing.assert_array_equal(back, pixels)


def test_data_uri_holds_the_content():
    assert base64.b64decode(data_uri(b"\x00\xff").removeprefix("data:image/png;base64,")) == b"\x00\xff"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (None, "\u2013"),
        (float("nan"), "\u2013"),
        (1234.6, "1\u202f235"),
        (12.345, "12.3"),
        (0.00123456, "0.00123"),
    ],
)
def test_number(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.50 KiB"),
        (18 << 30, "18.0 GiB"),
        (2**50, "1\u202f048\u202f576 GiB"),
    ],
)
def test_human_bytes(count, text):
    assert human_bytes(count) == text


def test_picture_of_a_page_is_magnified_by_the_browser():
    shown = page_image(pictures(1, 8, 6)[0], "noise")
    assert (shown.width, shown.height) == (96, 128)
    assert Image.open(io.BytesIO(shown.content)).size == (6, 8)


def test_bare_page_asks_for_nothing_from_outside():
    page = render("base.html")
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=|<script|@import|url\(", page)


def test_unknown_template_is_named():
    with pytest.raises(UnknownName, match=r"unknown template 'basse.html'; did you mean 'base.html'"):
        render("basse.html")
