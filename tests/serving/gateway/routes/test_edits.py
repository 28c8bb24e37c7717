"""`POST /v1/images/edits`, asked by the real OpenAI client."""

import base64
import logging
import re
import socket
import time
import zlib
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from litho.serving.gateway.program import Program
from litho.serving.gateway.work import derived_seed
from tests.echo import filled

from ..conftest import hole, pixels_of, png

SOURCE = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
MASK = np.zeros((6, 8, 1), np.uint8)
MASK[1:4, 2:6] = 255
TURNED = 6
"""EXIF: to be turned by 90 degrees clockwise."""


def test_the_transparent_part_of_the_mask_is_filled(streaming_client: openai.OpenAI) -> None:
    made = streaming_client.images.edit(
        model="filled", image=png(SOURCE), mask=hole(MASK), prompt="", n=2, extra_body={"seed": 9}
    )
    assert made.data is not None
    for k, one in enumerate(made.data):
        assert (pixels_of(one.b64_json) == filled(derived_seed(9, k), SOURCE, MASK)).all()
    fields = made.data[0].model_extra["receipt"]["fields"]
    assert len(fields["source"]["sha256"]) == len(fields["mask"]["sha256"]) == 64


def test_of_a_mask_without_transparency_the_light_part_is_filled(streaming_client: openai.OpenAI) -> None:
    made = streaming_client.images.edit(
        model="filled", image=png(SOURCE), mask=png(MASK[..., 0]), prompt="", extra_body={"seed": 9}
    )
    assert made.data is not None
    assert (pixels_of(made.data[0].b64_json) == filled(9, SOURCE, MASK)).all()


def test_an_edit_is_streamed_with_events_of_its_own(streaming_client: openai.OpenAI) -> None:
    (event,) = streaming_client.images.edit(
        model="filled", image=png(SOURCE), mask=hole(MASK), prompt="", stream=True, extra_body={"seed": 9}
    )
    assert event.type == "image_edit.completed"
    assert (pixels_of(event.b64_json) == filled(9, SOURCE, MASK)).all()


def test_a_picture_of_any_size_gets_larger(streaming_client: openai.OpenAI) -> None:
    source = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
    for size in ("auto", "24x16"):
        made = streaming_client.images.edit(model="larger", image=[png(source)], prompt="", size=size)
        assert made.data is not None
        assert made.size == "24x16"
        assert (pixels_of(made.data[0].b64_json) == source.repeat(2, 0).repeat(2, 1)).all()


def saved(pixels: np.ndarray, form: str, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, form, **options)
    return out.getvalue()


def turned() -> bytes:
    """A picture that is stored lying, as telephones do."""
    exif = Image.Exif()
    exif[0x0112] = TURNED
    return png(np.rot90(SOURCE), exif=exif)


def animated() -> bytes:
    out = BytesIO()
    frames = [Image.fromarray(one) for one in (SOURCE, 255 - SOURCE)]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize("image", [turned(), animated(), saved(SOURCE, "WEBP", lossless=True)])
def test_turned_and_animated_pictures_are_the_upright_first_one(
    streaming_client: openai.OpenAI, image: bytes
) -> None:
    made = streaming_client.images.edit(
        model="filled", image=image, mask=hole(MASK), prompt="", extra_body={"seed": 0}
    )
    assert made.data is not None
    assert (pixels_of(made.data[0].b64_json) == filled(0, SOURCE, MASK)).all()


def test_sixteen_bits_and_four_inks_are_read(streaming_client: openai.OpenAI) -> None:
    wide = SOURCE[..., 0].astype(np.uint16) * 257
    inks = BytesIO()
    Image.new("CMYK", (8, 6), (0, 255, 255, 0)).save(inks, "JPEG", quality=100)
    for image, expected in ((png(wide), SOURCE[..., :1].repeat(3, 2)), (inks.getvalue(), [[[255, 0, 0]]])):
        made = streaming_client.images.edit(
            model="filled", image=image, mask=hole(MASK), prompt="", extra_body={"seed": 0}
        )
        assert made.data is not None
        outside = MASK[..., 0] == 0
        difference = pixels_of(made.data[0].b64_json).astype(int) - expected
        assert np.abs(difference[outside]).max() <= 3


def bomb() -> bytes:
    """A few kilobytes that claim to be a picture of 20,000 x 20,000 pixels."""
    content = bytearray(png(np.zeros((1, 1), np.uint8)))
    content[16:24] = (20_000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4)
    return bytes(content)


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"image": b"no picture"}, "image", "invalid_image"),
        ({"image": png(SOURCE)[:60]}, "image", "invalid_image"),
        ({"image": saved(SOURCE, "GIF")}, "image", "invalid_image"),
        ({"image": bomb()}, "image", "image_too_large"),
        ({"image": [png(SOURCE), png(SOURCE)]}, "image", None),
        ({"image": "text"}, "image", None),
        ({"mask": openai.NOT_GIVEN}, "mask", None),
        ({"mask": hole(MASK[:5])}, "mask", None),
        ({"mask": hole(MASK * 0)}, "mask", "invalid_mask"),
        ({"mask": png(MASK[..., 0] * 0)}, "mask", "invalid_mask"),
        ({"model": "larger"}, "mask", None),
        ({"model": "whole"}, "image", None),
        ({"model": "larger", "mask": openai.NOT_GIVEN, "n": 2}, "n", None),
        ({"model": "larger", "mask": openai.NOT_GIVEN, "size": "17x16"}, "size", None),
        ({"prompt": "a cat"}, "prompt", None),
        ({"extra_body": {"seed": "many"}}, "seed", None),
        ({"extra_body": {"source": "1"}}, "source", None),
    ],
)
def test_what_cannot_be_edited_is_refused(
    streaming_client: openai.OpenAI, change: dict[str, Any], param: str, code: str | None
) -> None:
    asked = {"model": "filled", "image": png(SOURCE), "mask": hole(MASK), "prompt": "", **change}
    if asked["image"] == "text":
        with pytest.raises(openai.BadRequestError) as failed:
            streaming_client.post(
                "/images/edits",
                body={"image": "text"},
                files=[("mask", hole(MASK))],
                cast_to=object,
                options={"headers": {"Content-Type": "multipart/form-data"}},
            )
    else:
        with pytest.raises(openai.BadRequestError) as failed:
            streaming_client.images.edit(**asked)
    assert (failed.value.param, failed.value.code) == (param, code)


def referred(content: bytes) -> dict[str, str]:
    """A picture as JSON has it."""
    return {"image_url": f"data:image/png;base64,{base64.b64encode(content).decode()}"}


def posted(client: openai.OpenAI, **change: Any) -> Any:
    """A request in JSON, which OpenAI's API takes and their client has no function for."""
    sent = {
        "model": "filled",
        "images": [referred(png(SOURCE))],
        "mask": referred(hole(MASK)),
        "seed": 9,
        **change,
    }
    streamed = {"stream": True, "stream_cls": openai.Stream[dict[str, Any]]} if sent.get("stream") else {}
    return client.post("/images/edits", body=sent, cast_to=dict[str, Any], **streamed)


def test_pictures_in_json_are_edited_as_those_of_a_form_are(streaming_client: openai.OpenAI) -> None:
    made = posted(streaming_client, prompt="", n=2)
    for k, one in enumerate(made["data"]):
        assert (pixels_of(one["b64_json"]) == filled(derived_seed(9, k), SOURCE, MASK)).all()
    (event,) = posted(streaming_client, stream=True)
    assert event["type"] == "image_edit.completed"
    assert (pixels_of(event["b64_json"]) == filled(9, SOURCE, MASK)).all()


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"images": [referred(b"no picture")]}, "images", "invalid_image"),
        ({"images": [referred(png(SOURCE)[:60])]}, "images", "invalid_image"),
        ({"images": [referred(bomb())]}, "images", "image_too_large"),
        ({"images": [{"image_url": "http://127.0.0.1:1/a.png"}]}, "images", None),
        ({"images": [{"file_id": "file-1"}]}, "images", None),
        ({"images": []}, "images", None),
        ({"mask": None}, "mask", None),
        ({"mask": referred(hole(MASK[:5]))}, "mask", None),
        ({"mask": referred(hole(MASK * 0))}, "mask", "invalid_mask"),
        ({"image": referred(png(SOURCE))}, "image", None),
        ({"model": "larger"}, "mask", None),
        ({"model": "whole", "mask": None}, "images", None),
        ({"n": "2"}, "n", None),
        ({"prompt": "a cat"}, "prompt", None),
    ],
)
def test_pictures_in_json_are_checked_as_those_of_a_form_are(
    streaming_client: openai.OpenAI, change: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as failed:
        posted(streaming_client, **change)
    assert (failed.value.param, failed.value.code) == (param, code)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_another_type_of_body_is_refused(streaming_gateway: Program, kind: str) -> None:
    url = f"{streaming_gateway.url}/v1/images/edits"
    answer = httpx.post(url, content=b"{}", headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code == 415
    assert "multipart/form-data or application/json" in answer.json()["error"]["message"]


PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
WHOLE = PART % (b"model", b"filled") + PART % (b"seed", b"7") + b"--b--\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("boundary=b", WHOLE, None),  # its picture is missing
        ("boundary=b", WHOLE[:-9], "invalid_form"),  # the seed would be missing without a word
        ("boundary=b", WHOLE[:-6], "invalid_form"),
        ("boundary=b; charset=undefined", WHOLE, "invalid_form"),
        ("boundary=c", WHOLE, "invalid_form"),
        ("charset=utf-8", WHOLE, "invalid_form"),
        ("boundary=b", PART % (b"model", b"x" * (2 << 20)) + b"--b--\r\n", "invalid_form"),
        ("boundary=b", b"".join(PART % (b"n%d" % k, b"1") for k in range(65)) + b"--b--\r\n", "invalid_form"),
    ],
)
def test_a_form_that_cannot_be_read_to_its_end_is_refused(
    streaming_gateway: Program, kind: str, body: bytes, code: str | None
) -> None:
    headers = {"Content-Type": f"multipart/form-data; {kind}"}
    answer = httpx.post(f"{streaming_gateway.url}/v1/images/edits", content=body, headers=headers, timeout=60)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, None if code else "image")


def test_what_the_reader_of_forms_says_is_in_the_log_alone(streaming_gateway: Program) -> None:
    said: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = said.append  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    try:
        headers = {"Content-Type": "multipart/form-data; boundary=secret"}
        url = f"{streaming_gateway.url}/v1/images/edits"
        assert httpx.post(url, content=WHOLE, headers=headers, timeout=60).status_code == 400
    finally:
        logging.getLogger().removeHandler(handler)
    assert [record.name for record in said if record.name.startswith("python_multipart")] == []


def test_a_client_that_leaves_within_its_form_is_no_fault(streaming_gateway: Program) -> None:
    def answered() -> dict[str, str]:
        text = httpx.get(f"{streaming_gateway.url}/metrics", timeout=60).text
        found = re.findall(
            r'requests_total\{method="POST",route="/v1/images/edits",status="(\d+)"\} (\S+)', text
        )
        return dict(found)

    url = httpx.URL(streaming_gateway.url)
    before = answered()
    with socket.create_connection((url.host, url.port or 80)) as leaving:
        head = f"POST /v1/images/edits HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: 9999\r\n"
        leaving.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + WHOLE[:-20])
    deadline = time.monotonic() + 120
    while (after := answered()) == before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert after == {**before, "499": f"{float(before.get('499', 0)) + 1}"}
