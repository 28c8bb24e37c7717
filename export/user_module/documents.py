"""The text of a signature file: YAML or JSON, from which no file can make more than it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...bundle.json_documents import parse_json
from ...errors import UsageError
from ...extras import require
from ...files import read_text

__all__ = ["MOST_BYTES", "check_values", "read_yaml_or_json"]

MOST_BYTES = 1 << 19
"""Largest signature file; large tensors lie in files of their own."""

_MOST_DEPTH = 64
"""Deepest nesting: of tensors in constants, at most."""

_MOST_CHARACTERS = 1024
_LEAST_TOO_LARGE = 1 << 64


def read_yaml_or_json(file: Path) -> Any:
    """The content of a YAML or JSON file.

    Anchors and aliases of YAML are refused: with them a few lines can stand for a document of any size.

    Raises:
        UsageError: the file is missing, is too large, or is not such a document.
    """
    if file.suffix not in (".yaml", ".yml", ".json"):
        raise UsageError(f"--signature was given {str(file)!r}; it takes a .yaml, .yml or .json file")
    kind = "JSON" if file.suffix == ".json" else "YAML"
    try:
        text = read_text(file, MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"signature {file} cannot be read: {reason}") from None
    try:
        return parse_json(text) if kind == "JSON" else _parse_yaml(text)
    except ValueError as error:
        raise UsageError(f"{file} is not {kind}: {' '.join(str(error).split())}") from None


def _parse_yaml(text: str) -> Any:
    """Parse plain YAML.

    Raises:
        ValueError: it is not YAML, or has what is not allowed.
    """
    yaml = require("yaml", "export")

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.peek_event()
            if getattr(event, "anchor", None) is not None:
                raise ValueError(f"{event.anchor!r} is an anchor or alias; write the values out")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[Any] = set()
            for key, _ in node.value:
                name = key.value if isinstance(key.value, str) else None
                if name in seen and name is not None:
                    raise ValueError(f"key {name!r} is there twice, line {key.start_mark.line + 1}")
                seen.add(name)
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    except ValueError as error:
        if "set_int_max_str_digits" in str(error):  # Python's own words name a function to call
            raise ValueError("a whole number has thousands of digits") from None
        raise
    except Exception as error:  # the library's constructors raise many kinds for odd numbers and dates
        raise ValueError(f"{type(error).__name__}: {error}") from None


def check_values(content: Any) -> None:
    """Refuse a document with values that nothing in litho can hold, wherever they are.

    Args:
        content: mappings, lists, numbers, texts; other values are left to others.

    Raises:
        ValueError: it is nested too deeply, or has too long a number or text, or a text that is not Unicode.
    """
    level = [content]
    for _ in range(_MOST_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise ValueError(f"it is nested more than {_MOST_DEPTH} levels deep")


def _inside(value: Any) -> Iterable[Any]:
    """The values inside a checked one."""
    if isinstance(value, Mapping):
        return (*value.keys(), *value.values())
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, int) and abs(value) >= _LEAST_TOO_LARGE:
        raise ValueError("a whole number has more than 64 bits")
    if isinstance(value, str):
        if len(value) > _MOST_CHARACTERS:
            raise ValueError(f"a text has {len(value)} characters, at most {_MOST_CHARACTERS} are allowed")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"the text {value!r:.40} is not Unicode") from None
    return ()
