"""Write docs/api.md, the reference of the Python interface, from source and docstrings: `make docs`."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import litho
from litho import errors
from litho.bundle.manifest import Manifest, Variant
from litho.runners.base import Runner
from litho.serving.clients import client
from litho.signature.fields import Field, Role

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
RETURNED = (Runner, Field, Role, Manifest, Variant)
"""What the public functions hand out, beside the names of `litho` itself."""

_HEAD = """# API reference
Written by `make docs` from the docstrings of the package. `import litho` loads neither torch nor a runtime:
each name is imported when it is first used. What a call needs beyond the base installation is named in its error.
"""
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):$")
_ITEM = re.compile(r"    ([\w, *]+): (.*)")


def reference() -> str:
    """The page, in Markdown."""
    public = [(f"litho.{name}", getattr(litho, name)) for name in litho.__all__ if not name.startswith("_")]
    known = [value for _, value in public]
    classes = [(name, value) for name, value in public if inspect.isclass(value)]
    classes += [(f"{value.__module__}.{value.__name__}", value) for value in RETURNED if value not in known]
    classes += [
        (f"{client.__name__}.{name}", getattr(client, name)) for name in client.__all__ if name != "Client"
    ]
    parts = [_HEAD, "## Functions"]
    parts += [entry("###", name, value) for name, value in public if not inspect.isclass(value)]
    parts.append("## Classes")
    for name, value in classes:
        parts.append(entry("###", name, value))
        for attribute, member in members(value):
            parts.append(entry("####", f"{value.__name__}.{attribute}", member))
    parts += ["## Errors", "```text", *inspect.cleandoc(errors.__doc__ or "").splitlines()[3:], "```"]
    return "\n".join(parts) + "\n"


def members(value: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of a class, and of its bases that have no entry of their own."""
    seen: set[str] = set()
    for base in value.__mro__:
        if not base.__module__.startswith("litho") or (base in RETURNED and base is not value):
            continue
        for attribute, member in vars(base).items():
            member = getattr(member, "__func__", member)  # of a class method
            method = isinstance(member, property) or inspect.isfunction(member)
            if method and not attribute.startswith(("_", "model_")) and attribute not in seen:
                seen.add(attribute)
                yield attribute, member


def entry(level: str, name: str, value: Any) -> str:
    """Heading, signature and docstring of a class, a function or a property."""
    text = "" if isinstance(value, property) else f"```python\n{signature(name, value)}\n```\n"
    return f"{level} {name}\n{text}{markdown(value.__doc__)}"


def signature(name: str, value: Any) -> str:
    """The first lines of a function as they stand in the source; the fields of a class without a constructor."""
    own = vars(value).get("__init__") if inspect.isclass(value) else value
    written = inspect.isfunction(own) and own.__code__.co_filename != "<string>"  # else by a dataclass
    source = textwrap.dedent(inspect.getsource(own if written else value))
    (node,) = ast.parse(source).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    lines = source.splitlines()
    if isinstance(node, ast.ClassDef):
        fields = (part for part in node.body if isinstance(part, ast.AnnAssign))
        shown = [lines[part.lineno - 1 : part.end_lineno] for part in fields]
        return "\n".join([lines[node.lineno - 1], *chain.from_iterable(shown)])
    head = [line.partition("  #")[0] for line in lines[node.lineno - 1 : node.body[0].lineno - 1]]
    text = "\n".join(head).removesuffix(":")
    awaited = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    text = text.removeprefix("async ").removeprefix(f"def {node.name}")
    text = re.sub(r"\b(self|cls)(,\s+)?", "", text, count=1)
    return awaited + name.rpartition(".")[2] + text


def markdown(docstring: str | None) -> str:
    """A docstring's paragraphs and examples, and its sections as lists."""
    lines: list[str] = []
    section = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if found := _SECTION.match(line):
            section = True
            lines += [f"**{found[1]}**", ""]
        elif section and line.startswith("    "):
            item = _ITEM.fullmatch(line)
            lines.append(f"- `{item[1]}`: {item[2]}" if item else f"  {line.strip()}")
        else:
            section = section and not line
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
