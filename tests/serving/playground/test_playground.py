"""The files of the page as the gateway reads them."""

import json
import re

from litho.serving.playground import MEDIA_TYPES, page_files

FROM_TEXT = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function")
OUTSIDE = re.compile(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", re.IGNORECASE)


def test_all_files_of_the_page_are_read_once_and_the_views_listed() -> None:
    found = page_files()
    assert {"index.html", "page.css", "app.js", "registry.js", "views/generate.js", "icon.svg"} <= set(found)
    assert not [name for name in found if name.endswith((".py", ".pyc"))]
    assert "generate.js" in json.loads(found["views.json"].content)["views"]
    assert len({file.etag for file in found.values()}) == len(found)
    for name, file in found.items():
        assert file.media_type == MEDIA_TYPES[name[name.rfind(".") :]]


def test_nothing_comes_from_another_host_and_no_html_is_made_from_text() -> None:
    for name, file in page_files().items():
        text = file.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert not OUTSIDE.search(text), name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        ), name


def test_the_document_has_no_inline_script_and_no_inline_style() -> None:
    html = page_files()["index.html"].content.decode()
    assert re.findall(r"<script(?! src=| type=\"module\" src=)", html) == []
    assert "<style" not in html
    assert " style=" not in html
    assert not re.search(r"\son[a-z]+=", html)


def test_all_that_a_file_imports_is_there() -> None:
    found = page_files()
    for name, file in found.items():
        if not name.endswith(".js"):
            continue
        folder = name.rpartition("/")[0]
        for path in re.findall(r'^(?:import|export)[^"]*"(\.[^"]+)";', file.content.decode(), re.MULTILINE):
            parts = [*folder.split("/"), *path.split("/")]
            resolved: list[str] = []
            for part in parts:
                if part == "..":
                    resolved.pop()
                elif part not in ("", "."):
                    resolved.append(part)
            assert "/".join(resolved) in found, f"{name} imports {path}"
