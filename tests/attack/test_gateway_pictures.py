"""Pictures sent to the gateway to be edited: giant, broken, turned, deep, animated, of another kind or size."""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ..echo import FILLED, filled

if TYPE_CHECKING:
    import httpx

EDITS = "/v1/images/edits"
RANDOM = np.random.default_rng(0)
HEIGHT, WIDTH, _ = FILLED.output.shape
PIXELS = RANDOM.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
SEED = 77
HOLE = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
HOLE[2:4, 3:5] = 255


@pytest.fixture(scope="module")
def client(streaming_gateway: Any) -> Any:
    import httpx

    with httpx.Client(base_url=streaming_gateway.url, timeout=120) as opened:
        yield opened


def saved(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def a_picture(height: int = HEIGHT, width: int = WIDTH) -> bytes:
    return saved(Image.fromarray(np.resize(PIXELS, (height, width, 3))))


def a_mask(height: int = HEIGHT, width: int = WIDTH) -> bytes:
    """A mask in OpenAI's form: what is transparent is to be made anew."""
    alpha = 255 - np.resize(HOLE, (height, width))
    return saved(Image.fromarray(np.dstack([np.zeros((height, width, 3), np.uint8), alpha])))


def expected(pixels: np.ndarray) -> np.ndarray:
    return filled(SEED, pixels, HOLE)


def png_of(width: int, height: int, data: bytes = b"") -> bytes:
    """A PNG whose header says what it likes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A small PNG with a compressed text of 64 MB."""
    good = a_picture()
    body = b"zTXtComment\0\0" + zlib.compress(bytes(64 << 20), 9)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return good[:33] + chunk + good[33:]


REFUSED: dict[str, Any] = {
    "nothing": lambda: b"",
    "text": lambda: b"this is no picture",
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg' width='16' height='16'/>",
    "PostScript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n(/etc/passwd) run\n",
    "half a PNG": lambda: a_picture()[:100],
    "half a JPEG": lambda: saved(Image.fromarray(np.resize(PIXELS, (400, 400, 3))), "JPEG")[:2000],
    "wrong checksum": lambda: a_picture()[:60] + b"\0\0\0\0" + a_picture()[64:],
    "bomb of a header": lambda: png_of(60_000, 60_000),
    "bomb": lambda: png_of(30_000, 30_000, zlib.compress(bytes(1 << 24), 9)),
    "largest header": lambda: png_of(2**31 - 1, 2**31 - 1),
    "no pixels": lambda: png_of(0, 0),
    "one pixel high": lambda: png_of(2**24, 1, zlib.compress(b"\0")),
    "TIFF": lambda: saved(Image.fromarray(PIXELS), "TIFF"),
    "GIF": lambda: saved(Image.fromarray(PIXELS), "GIF"),
    "PDF": lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "archive": lambda: b"PK\x03\x04" + bytes(100),
}


def posted(client: httpx.Client, image: bytes, mask: bytes | None = None, **fields: Any) -> httpx.Response:
    files = {"image": ("picture.png", image, "image/png")}
    if mask is not None:
        files["mask"] = ("mask.png", mask, "image/png")
    return client.post(EDITS, data={"model": "filled", "seed": str(SEED), **fields}, files=files)


def pixels_of(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text[:500]
    (datum,) = answer.json()["data"]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(datum["b64_json"]))).convert("RGB"))


def check_refusal(answer: httpx.Response, statuses: set[int], param: str | None = None) -> str:
    assert answer.status_code in statuses, answer.text[:300]
    error = answer.json()["error"]
    assert error["param"] == param
    assert "Traceback" not in answer.text
    assert re.search(r"0x[0-9a-f]{6}", answer.text) is None  # no address of an object
    return error["message"]


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_what_is_no_picture_is_refused(client: httpx.Client, made: Any) -> None:
    check_refusal(posted(client, made(), a_mask()), {400, 413}, "image")
    assert (pixels_of(posted(client, a_picture(), a_mask())) == expected(PIXELS)).all()


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_what_is_no_mask_is_refused(client: httpx.Client, made: Any) -> None:
    check_refusal(posted(client, a_picture(), made()), {400, 413}, "mask")


@pytest.mark.parametrize(
    "size", [(HEIGHT, WIDTH + 1), (2 * HEIGHT, 2 * WIDTH), (HEIGHT // 2, WIDTH // 2), (WIDTH, HEIGHT)]
)
def test_a_mask_of_another_size_than_the_picture_is_refused(
    client: httpx.Client, size: tuple[int, int]
) -> None:
    message = check_refusal(posted(client, a_picture(), a_mask(*size)), {400}, "mask")
    assert f"{size[1]}x{size[0]}" in message


def test_a_mask_without_a_hole_or_none_at_all_is_refused(client: httpx.Client) -> None:
    check_refusal(posted(client, a_picture()), {400}, "mask")
    whole = saved(Image.new("RGBA", (WIDTH, HEIGHT), "black"))
    check_refusal(posted(client, a_picture(), whole), {400}, "mask")


def test_a_picture_is_turned_as_its_exif_says(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned = saved(Image.fromarray(np.rot90(PIXELS)), exif=exif)
    assert (pixels_of(posted(client, turned, a_mask())) == expected(PIXELS)).all()


def test_sixteen_bits_become_eight(client: httpx.Client) -> None:
    grey = PIXELS[..., 0].astype(np.uint16) * 257
    found = pixels_of(posted(client, saved(Image.fromarray(grey)), a_mask()))
    assert (found == expected(np.repeat(PIXELS[..., :1], 3, axis=2))).all()


@pytest.mark.parametrize("mode", ["CMYK", "L", "LA", "P", "1", "RGBA", "YCbCr"])
def test_every_colour_space_is_taken(client: httpx.Client, mode: str) -> None:
    picture = Image.fromarray(PIXELS).convert(mode)
    form = "JPEG" if mode in ("CMYK", "YCbCr") else "PNG"
    assert pixels_of(posted(client, saved(picture, form), a_mask())).shape == PIXELS.shape


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_an_animated_picture_the_first_frame_counts(client: httpx.Client, form: str) -> None:
    first = Image.new("RGB", (WIDTH, HEIGHT), "black")
    others = [Image.new("RGB", (WIDTH, HEIGHT), "white") for _ in range(3)]
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    content = saved(first, form, save_all=True, append_images=others, **options)
    assert (pixels_of(posted(client, content, a_mask())) == expected(0 * PIXELS)).all()


def test_a_text_that_unpacks_to_megabytes_does_no_harm(client: httpx.Client) -> None:
    answer = posted(client, text_bomb(), a_mask())
    assert answer.status_code in (200, 400, 413)
    assert (pixels_of(posted(client, a_picture(), a_mask())) == expected(PIXELS)).all()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\0b.png", "\u202egnp.exe", "x" * 5_000])
def test_the_name_of_a_file_does_not_matter(client: httpx.Client, name: str) -> None:
    files = {"image": (name, a_picture(), "image/png"), "mask": (name, a_mask(), "text/html")}
    answer = client.post(EDITS, data={"model": "filled"}, files=files)
    assert answer.status_code in (200, 400), answer.text


BOUNDARY = {"Content-Type": "multipart/form-data; boundary=x"}
PARTS = {
    "empty": b"",
    "only the end": b"--x--\r\n",
    "no end": b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nfilled',
    "no name": b"--x\r\nContent-Disposition: form-data\r\n\r\nfilled\r\n--x--\r\n",
    "no head": b"--x\r\n\r\nfilled\r\n--x--\r\n",
    "noise": bytes(range(256)) * 100,
    "thousands": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 5_000 + b"--x--\r\n",
    "twice": b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nfilled\r\n' * 2 + b"--x--\r\n",
    "a long value": b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n'
    + b"p" * (2 << 20)
    + b"\r\n--x--\r\n",
    "not UTF-8": b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\xfe\r\n--x--\r\n',
    "a picture as a text": b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\nabc\r\n--x--\r\n',
    "a model as a file": (
        b'--x\r\nContent-Disposition: form-data; name="model"; filename="m"\r\n\r\nfilled\r\n--x--\r\n'
    ),
}


@pytest.mark.parametrize("body", PARTS.values(), ids=PARTS)
def test_parts_that_are_none_are_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post(EDITS, content=body, headers=BOUNDARY)
    assert answer.status_code in (400, 404, 413), answer.text[:300]  # 404: a model of another name
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"n": "0"},
        {"n": "x"},
        {"n": "1e1"},
        {"colour": "red"},
        {"seed": "x"},
        {"size": "1x1"},
        {"stream": "maybe"},
    ],
    ids=str,
)
def test_a_wrong_field_beside_a_picture_is_named(client: httpx.Client, fields: dict[str, str]) -> None:
    check_refusal(posted(client, a_picture(), a_mask(), **fields), {400}, next(iter(fields)))
