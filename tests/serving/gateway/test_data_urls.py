from base64 import b64encode
from typing import Any

import pytest

from litho.serving.gateway.data_urls import take_uploads
from litho.serving.gateway.errors import ApiError

CONTENT = bytes(range(256))[:-1] + b"ab"
TEXT = b64encode(CONTENT).decode()
MOST = len(CONTENT) + 3


def refer(url: Any, **more: Any) -> dict[str, Any]:
    return {"image_url": url, **more}


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{TEXT}",
        f"DATA:image/PNG;Base64,{TEXT}",
        f"data:image/jpg;charset=utf-8;name=a;base64,{TEXT}",
        f"data:image/jpeg;base64,{TEXT.rstrip('=')}",
        f"data:image/webp;base64, {TEXT[:76]}\r\n{TEXT[76:]}\n",
    ],
)
def test_pictures_are_taken_out_of_the_document(url: str) -> None:
    document = {"prompt": "", "images": [refer(url, file_id=None)], "mask": refer(url)}
    uploads = take_uploads(document, MOST)
    assert (uploads.image, uploads.mask) == (CONTENT, CONTENT)
    assert document == {"prompt": ""}


@pytest.mark.parametrize("document", [{}, {"images": None, "mask": None}, {"images": []}])
def test_what_is_left_out_is_none(document: dict[str, Any]) -> None:
    uploads = take_uploads(document, MOST)
    assert (uploads.image, uploads.mask) == (None, None)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (refer("https://example.org/a.png"), "no address is fetched"),
        (refer("file:///etc/passwd"), "no address is fetched"),
        (refer("data:image/png;base64"), "no address is fetched"),
        (refer(""), "no address is fetched"),
        (refer(TEXT), "no address is fetched"),
        ({"file_id": "file-1"}, "no files are stored"),
        (refer(f"data:image/png;base64,{TEXT}", file_id="file-1"), "no files are stored"),
        (refer(f"data:image/png;base64,{TEXT}", detail="high"), "another object"),
        (refer({"url": f"data:image/png;base64,{TEXT}"}), "another object"),
        ({}, "another object"),
        (1, "no object"),
        (f"data:image/png;base64,{TEXT}", "no object"),
        (refer(f"data:image/svg+xml;base64,{TEXT}"), "another kind"),
        (refer(f"data:text/html;base64,{TEXT}"), "another kind"),
        (refer(f"data:;base64,{TEXT}"), "another kind"),
        (refer(f"data:,{TEXT}"), "another kind"),
        (refer("data:image/png,%89PNG"), "another kind"),
        (refer(f"data:image/png;base64;charset=utf-8,{TEXT}"), "another kind"),
        (refer(f"data:image/png;base64,{TEXT}!"), "no base64"),
        (refer(f"data:image/png;base64,{TEXT}=="), "no base64"),
        (refer("data:image/png;base64,A"), "no base64"),
        (refer("data:image/png;base64,AA=A"), "no base64"),
        (refer("data:image/png;base64,é\ud800"), "no base64"),
        (refer("data:image/png;base64,_-_-"), "no base64"),
        (refer("data:image/png;base64," + b64encode(CONTENT + b"cdef").decode()), f"more than {MOST} bytes"),
    ],
)
def test_everything_else_is_refused_and_what_is_allowed_is_said(reference: Any, reason: str) -> None:
    whole = refer(f"data:image/png;base64,{TEXT}")
    for document, param in (
        ({"images": [reference]}, "images"),
        ({"images": [whole], "mask": reference}, "mask"),
    ):
        with pytest.raises(ApiError, match=reason) as failed:
            take_uploads(document, MOST)
        assert (failed.value.status, failed.value.param) == (400, param)


@pytest.mark.parametrize(
    ("document", "param"),
    [
        ({"image": refer(f"data:image/png;base64,{TEXT}")}, "image"),
        ({"images": refer(f"data:image/png;base64,{TEXT}")}, "images"),
        ({"images": [refer(f"data:image/png;base64,{TEXT}")] * 2}, "images"),
    ],
)
def test_images_are_a_list_of_one(document: dict[str, Any], param: str) -> None:
    with pytest.raises(ApiError, match=r"list of one|take one") as failed:
        take_uploads(document, MOST)
    assert failed.value.param == param
