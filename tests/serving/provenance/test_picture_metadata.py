"""Receipts in PNG, JPEG and WebP: they come back, pixels stay, and Pillow still reads the files."""

from contextlib import suppress
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, PngImagePlugin

from litho.errors import DataError, LithoError, UsageError
from litho.serving.provenance.picture_metadata import embed, picture_format, read_receipt
from litho.serving.provenance.receipt import Origin, Receipt, ReceiptMaker

ORIGIN = Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64)
PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8)
EXIF = Image.Exif()
EXIF[0x010E] = "a drawing"


def receipt_of(prompt: str = "ein Fuß, 猫 & <b>\"'\x01\n ]]>") -> Receipt:
    fields = {"seed": np.array([7]), "prompt": np.array([prompt], object)}
    return ReceiptMaker().make(ORIGIN, fields, PIXELS)


def encoded(format: str, mode: str = "RGB", **options) -> bytes:
    buffer = BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(buffer, format=format, **options)
    return buffer.getvalue()


FILES = {
    "png": encoded("PNG"),
    "grey png": encoded("PNG", "L"),
    "png with alpha": encoded("PNG", "RGBA"),
    "jpeg": encoded("JPEG"),
    "jpeg without JFIF": encoded("JPEG", "CMYK"),
    "grey jpeg": encoded("JPEG", "L"),
    "jpeg with EXIF": encoded("JPEG", exif=EXIF),
    "webp": encoded("WEBP"),
    "webp with alpha": encoded("WEBP", "RGBA"),
    "lossless webp": encoded("WEBP", "RGBA", lossless=True),
    "lossless webp without alpha": encoded("WEBP", lossless=True),
    "webp with EXIF": encoded("WEBP", exif=EXIF),
}


@pytest.mark.parametrize("name", FILES)
def test_a_receipt_comes_back_and_the_pixels_stay(name):
    receipt, before = receipt_of(), FILES[name]
    after = embed(before, receipt)
    assert read_receipt(after) == receipt
    read_receipt(after).check()
    with Image.open(BytesIO(before)) as one, Image.open(BytesIO(after)) as two:
        assert (one.format, one.mode, one.size) == (two.format, two.mode, two.size)
        assert one.tobytes() == two.tobytes()
        if name != "jpeg without JFIF":
            assert one.info.get("exif") == two.info.get("exif")


@pytest.mark.parametrize("name", ["jpeg", "webp"])
def test_the_xmp_is_xml(name):
    from xml.etree import ElementTree

    receipt = receipt_of("a & b < c")
    with Image.open(BytesIO(embed(FILES[name], receipt))) as image:
        packet = image.info["xmp"]
    found = ElementTree.fromstring(packet).iter("{urn:litho:receipt:1:}receipt")
    assert next(found).text == receipt.to_json()


def test_a_compressed_text_of_another_tool_is_read():
    receipt, text = receipt_of(), PngImagePlugin.PngInfo()
    text.add_itxt("litho-receipt", receipt.to_json(), zip=True)
    assert read_receipt(encoded("PNG", pnginfo=text)) == receipt


def test_xmp_with_the_property_as_an_attribute_is_read():
    from xml.sax.saxutils import quoteattr

    receipt = receipt_of()
    packet = f"<x:xmpmeta><rdf:Description litho:receipt={quoteattr(receipt.to_json())}/></x:xmpmeta>"
    assert read_receipt(encoded("JPEG", xmp=packet.encode())) == receipt


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "webp with EXIF"])
def test_a_picture_without_a_receipt(name):
    with pytest.raises(DataError, match="holds no receipt"):
        read_receipt(FILES[name])


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_a_file_that_is_cut_short_is_damaged(name):
    whole = embed(FILES[name], receipt_of())
    for size in (20, 60, len(whole) // 2):
        with pytest.raises(DataError, match="the file is damaged or cut short"):
            read_receipt(whole[:size])


def test_other_files_are_refused():
    for content in (b"", b"GIF89a", b"RIFF1234WAVE", encoded("BMP")):
        with pytest.raises(DataError, match="no PNG, JPEG or WebP"):
            picture_format(content)


def test_a_jpeg_has_no_room_for_a_long_receipt():
    long = receipt_of("&" * 20_000)
    with pytest.raises(UsageError, match="ask for png"):
        embed(FILES["jpeg"], long)
    for name in ("png", "webp"):
        assert read_receipt(embed(FILES[name], long)) == long


@given(st.sampled_from(["png", "jpeg", "webp"]), st.data())
def test_no_damaged_file_raises_anything_else(name, data):
    whole = bytearray(embed(FILES[name], receipt_of()))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with suppress(LithoError):
        read_receipt(cut)
