"""The page on which a person tries a served model: files for a browser, without a build step.

`index.html` loads `app.js`, which loads every module of `views/`; `registry.js` says what a view is.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

__all__ = ["MEDIA_TYPES", "PageFile", "page_files"]

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
"""Ending of a file of the page -> its media type; files with another ending are not part of it."""


class PageFile(NamedTuple):
    """One file of the page.

    Attributes:
        content: its bytes.
        media_type: value of the header `content-type`.
        etag: value of the header `etag`, from the content's SHA-256.
        packed: the content by gzip.
    """

    content: bytes
    media_type: str
    etag: str
    packed: bytes


def page_files() -> dict[str, PageFile]:
    """All files of the page, read once.

    Returns:
        Name, such as "app.js" or "views/generate.js", -> file. "views.json" lists the views' modules in alphabetical
        order; it is made here from what lies in the folder `views`.
    """
    found = dict(_files_in(files(__name__)))
    views = sorted(name.removeprefix("views/") for name in found if name.startswith("views/"))
    listed = {"views": [name for name in views if name.endswith(".js")]}
    found["views.json"] = _page_file(json.dumps(listed).encode(), ".json")
    return found


def _files_in(folder: Traversable, above: str = "") -> Iterator[tuple[str, PageFile]]:
    for file in folder.iterdir():
        ending = file.name[file.name.rfind(".") :]
        if file.is_dir():
            yield from _files_in(file, f"{above}{file.name}/")
        elif ending in MEDIA_TYPES:
            yield above + file.name, _page_file(file.read_bytes(), ending)


def _page_file(content: bytes, ending: str) -> PageFile:
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return PageFile(content, MEDIA_TYPES[ending], etag, gzip.compress(content, mtime=0))
