"""Every kind of picture file comes out as grey or RGB squares by the written rules, or as an error that names it."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from PIL import Image

from litho.errors import DataError
from litho.signature.image_files import fitted, has_alpha, read_hole, read_picture

RED, BLUE = (200, 30, 40), (10, 20, 220)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def flat(mode: str, colour: Any, side: int = 8) -> Image.Image:
    return Image.new(mode, (side, side), colour)


def header_of(width: int, height: int, colours: int = 2, rows: bytes = b"") -> bytes:
    """A PNG of a few bytes that claims to be large; `colours` is PNG's colour type, `rows` what it holds."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(encoded(flat("L", 77)), [77], id="grey"),
        pytest.param(encoded(flat("1", 1)), [255], id="black and white"),
        pytest.param(encoded(flat("RGB", RED)), RED, id="RGB"),
        pytest.param(encoded(flat("RGB", RED).quantize(4)), RED, id="palette"),
        pytest.param(encoded(flat("RGB", RED), "GIF"), RED, id="GIF"),
        pytest.param(encoded(flat("RGBA", (*RED, 0))), (255, 255, 255), id="clear"),
        pytest.param(encoded(flat("RGBA", (0, 100, 200, 51))), (204, 224, 244), id="a fifth opaque"),
        pytest.param(encoded(flat("LA", (55, 51))), [215], id="grey, a fifth opaque"),
        pytest.param(
            encoded(flat("RGB", RED).quantize(4), transparency=0), (255, 255, 255), id="palette, clear"
        ),
        pytest.param(encoded(flat("CMYK", (255, 0, 0, 0)), "TIFF"), (0, 255, 255), id="CMYK TIFF"),
        pytest.param(encoded(flat("I;16", 257 * 90)), [90], id="16 bits"),
        pytest.param(encoded(flat("I;16", 128)), [0], id="16 bits, rounded down"),
        pytest.param(encoded(flat("I;16", 129)), [1], id="16 bits, rounded up"),
        pytest.param(encoded(flat("I;16", 65535)), [255], id="16 bits, white"),
        pytest.param(encoded(flat("I;16B", 257 * 90), "TIFF"), [90], id="16 bits, big-endian TIFF"),
        pytest.param(encoded(flat("I", 257 * 90), "TIFF"), [90], id="32 bits that hold 16"),
    ],
)
def test_every_mode_becomes_eight_bit_grey_or_rgb(content: bytes, expected: Any) -> None:
    pixels = read_picture(content, "it")
    assert pixels.dtype == np.uint8
    assert pixels.shape == (8, 8, len(expected))
    assert (pixels == np.array(expected)).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "RGB", "L"])
def test_jpegs_come_out_close_to_what_was_written(mode: str) -> None:
    rgb = flat("RGB", (90, 90, 90) if mode == "L" else RED, 16)
    pixels = read_picture(encoded(rgb.convert(mode), "JPEG", quality=95), "it")
    assert np.abs(pixels.astype(int) - np.asarray(rgb)[..., : pixels.shape[2]]).max() <= 6


def test_the_exif_orientation_is_applied() -> None:
    image = flat("RGB", RED)
    image.paste(BLUE, (0, 0, 8, 2))  # a blue band above
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    pixels = read_picture(encoded(image, exif=exif), "it")
    assert (pixels[:, 6:] == BLUE).all()
    assert (pixels[:, :6] == RED).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(flat("RGB", RED), kind, save_all=True, append_images=[flat("RGB", BLUE)], **options)
    assert (read_picture(content, "it") == RED).all()


@pytest.mark.parametrize("size", [(100_000, 100_000), (10_000, 10_000), (8_200, 8_200)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    content = header_of(*size)
    assert len(content) < 100
    with pytest.raises(DataError, match=r"^photos/big\.png has more than 67108864 pixels, the most allowed"):
        read_picture(content, "photos/big.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "damaged or no image", id="nothing"),
        pytest.param(b"not a picture", "damaged or no image", id="text"),
        pytest.param(
            encoded(flat("RGB", RED), "EPS"), "damaged or no image", id="a format that starts a program"
        ),
        pytest.param(header_of(8, 8), "cannot be read", id="no pixels"),
        pytest.param(header_of(8, 8, 3, bytes(72)), "it is damaged", id="no palette"),
        pytest.param(encoded(flat("RGB", RED, 64), "JPEG")[:-200], "cannot be read", id="cut JPEG"),
        pytest.param(encoded(flat("RGB", RED, 64).effect_spread(9))[:-40], "cannot be read", id="cut PNG"),
        pytest.param(encoded(flat("F", 0.5), "TIFF"), "floating-point pixels", id="floating point"),
        pytest.param(encoded(flat("I", 70_000), "TIFF"), "32-bit pixels", id="32 bits"),
        pytest.param(encoded(flat("I", -1), "TIFF"), "32-bit pixels", id="negative"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=f"^train/7.png .*{reason}") as caught:
        read_picture(content, "train/7.png")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_picture(tmp_path / "gone.png", str(tmp_path / "gone.png"))


sizes = st.integers(1, 40)
pictures = st.tuples(sizes, sizes, st.sampled_from([1, 3])).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape)
)


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@given(pictures)
def test_without_a_resolution_the_largest_centred_square_is_kept_untouched(pixels: NDArray[np.uint8]) -> None:
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = read_picture(encoded(as_image(pixels)), "it")
    np.testing.assert_array_equal(square, pixels[top : top + side, left : left + side])


@given(pictures, st.integers(1, 48), st.sampled_from([None, 1, 3]))
def test_with_a_resolution_the_square_is_brought_to_it(
    pixels: NDArray[np.uint8], resolution: int, channels: int | None
) -> None:
    options: Any = {"size": (resolution, resolution), "channels": channels}
    read = read_picture(encoded(as_image(pixels)), "it", **options)
    assert read.shape == (resolution, resolution, channels or pixels.shape[2])
    # Whatever is outside the square has no say, and what is decoded already follows the same rule.
    square = read_picture(encoded(as_image(pixels)), "it")
    np.testing.assert_array_equal(read_picture(encoded(as_image(square)), "it", **options), read)
    np.testing.assert_array_equal(fitted(square[None], **options)[0], read)


@given(pictures, sizes, sizes)
def test_of_another_shape_the_largest_centred_part_of_the_proportions_is_kept(
    pixels: NDArray[np.uint8], height: int, width: int
) -> None:
    image, size = as_image(pixels), (height, width)
    read = read_picture(encoded(image), "it", size=size)
    assert read.shape == (height, width, pixels.shape[2])
    # Wherever the picture has these proportions already, nothing is cut.
    grown = image.resize((width * 2, height * 2), Image.Resampling.NEAREST)
    whole = np.asarray(grown.resize((width, height), Image.Resampling.BICUBIC)).reshape(read.shape)
    np.testing.assert_array_equal(read_picture(encoded(grown), "it", size=size), whole)


@given(st.integers(1, 255), st.integers(1, 40), st.integers(1, 48))
def test_a_flat_picture_stays_flat_at_any_size(value: int, side: int, resolution: int) -> None:
    read = read_picture(encoded(flat("L", value, side)), "it", size=(resolution, resolution))
    assert (read == value).all()


@given(arrays.arrays(np.uint8, (12, 12, 1)), st.integers(1, 30))
def test_resizing_knows_no_direction(pixels: NDArray[np.uint8], resolution: int) -> None:
    size = (resolution, resolution)
    read = read_picture(encoded(as_image(pixels)), "it", size=size).astype(int)
    mirrored = read_picture(encoded(as_image(np.ascontiguousarray(pixels[:, ::-1]))), "it", size=size)
    assert np.abs(read[:, ::-1] - mirrored).max() <= 1


def test_shrinking_averages_what_a_pixel_covers() -> None:
    rows, columns = np.indices((64, 64))
    checkered = ((rows + columns) % 2 * 255).astype(np.uint8)[..., None]
    read = read_picture(encoded(as_image(checkered)), "it", size=(16, 16))
    assert np.abs(read.astype(int) - 127).max() <= 8


@pytest.mark.parametrize(
    ("content", "channels", "expected"),
    [
        pytest.param(encoded(flat("RGBA", (0, 100, 200, 51))), 4, (0, 100, 200, 51), id="RGBA"),
        pytest.param(encoded(flat("LA", (55, 51))), 4, (55, 55, 55, 51), id="grey to RGBA"),
        pytest.param(encoded(flat("RGB", RED)), 4, (*RED, 255), id="opaque"),
        pytest.param(
            encoded(flat("RGB", RED).quantize(4), transparency=0), 4, (*RED, 0), id="palette, clear"
        ),
        pytest.param(encoded(flat("LA", (55, 51))), 2, (55, 51), id="grey and alpha"),
        pytest.param(encoded(flat("L", 55)), 2, (55, 255), id="grey, opaque"),
        pytest.param(encoded(flat("I;16", 257 * 9)), 2, (9, 255), id="16 bits"),
        pytest.param(encoded(flat("RGBA", (90, 90, 90, 51))), 2, (90, 51), id="RGBA to grey"),
    ],
)
@pytest.mark.parametrize("size", [None, (3, 3)])
def test_alpha_is_kept_where_it_is_asked_for(
    content: bytes, channels: int, expected: tuple[int, ...], size: tuple[int, int] | None
) -> None:
    read = read_picture(content, "it", size=size, channels=channels)
    assert read.shape[2] == channels
    assert (read[..., -1] == expected[-1]).all()
    if expected[-1] or size is None:  # what is resized has no colour where nothing can be seen
        assert (read == expected).all()


@pytest.mark.parametrize("given", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_decoded_pictures_are_brought_to_channels_as_a_file_is(given: int, channels: int) -> None:
    pixels = np.random.default_rng(given).integers(0, 256, (2, 8, 8, given), dtype=np.uint8)
    for size in (None, (5, 5)):
        wanted = [read_picture(encoded(as_image(one)), "it", size=size, channels=channels) for one in pixels]
        # A file is laid on white before it is resized, and decoded pictures too.
        np.testing.assert_array_equal(fitted(pixels, size=size, channels=channels), np.stack(wanted))


@pytest.mark.parametrize(("given", "wanted"), [(4, 3), (2, 1), (1, 3), (3, 4)])
def test_pictures_that_are_not_square_keep_their_size_when_only_their_channels_change(given, wanted):
    pixels = np.full((2, 6, 9, given), 255, np.uint8)
    assert fitted(pixels, channels=wanted).shape == (2, 6, 9, wanted)


def test_the_hole_of_a_mask_is_transparent_or_else_light():
    def file(pixels: np.ndarray) -> bytes:
        made = io.BytesIO()
        Image.fromarray(pixels).save(made, "PNG")
        return made.getvalue()

    marked = np.zeros((6, 9), np.uint8)
    marked[1:3, 2:7] = 255
    transparent = np.dstack([marked, marked, marked, 255 - marked])
    for content in (file(marked), file(transparent)):
        np.testing.assert_array_equal(read_hole(content, "mask")[..., 0], marked)
    assert (has_alpha(file(marked)), has_alpha(file(transparent)), has_alpha(b"no picture")) == (
        False,
        True,
        False,
    )
    halved = read_hole(file(np.kron(marked, np.ones((2, 2), np.uint8))), "mask", (6, 9))
    assert set(np.unique(halved)) == {0, 255}
    with pytest.raises(DataError, match="mask is damaged or no image"):
        read_hole(b"no picture", "mask")
