"""Write docs/api.md, the reference of the Python interface, from signatures and docstrings: `make docs`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litho
from litho import errors
from litho.bundle.manifest import Manifest, Variant
from litho.runners.base import Runner
from litho.signature.fields import Field, Role

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
RETURNED = (Runner, Field, Role, Manifest, Variant)
"""What the public functions hand out, beside the names of `litho` itself."""

_HEAD = """# API reference
Written by `make docs` from the docstrings of the package. `import litho` loads neither torch nor a runtime:
each name is imported when it is first used. What a call needs beyond the base installation is named in its error.
"""
_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):$")
_ITEM = re.compile(r"([\w, *]+): (.*)")


def reference() -> str:
    """The page, in Markdown."""
    public = [(name, getattr(litho, name)) for name in litho.__all__ if not name.startswith("_")]
    functions = [(name, value) for name, value in public if not inspect.isclass(value)]
    classes = [(name, value) for name, value in public if inspect.isclass(value)]
    classes += [(value.__name__, value) for value in RETURNED if value not in dict(public).values()]
    parts = [_HEAD, "## Functions"]
    parts += [entry("###", f"litho.{name}", value) for name, value in functions]
    parts += ["## Classes", *(part for name, value in classes for part in described_class(name, value))]
    parts += ["## Errors", "```text", *inspect.cleandoc(errors.__doc__ or "").splitlines()[3:], "```"]
    return "\n".join(parts) + "\n"


def described_class(name: str, value: type) -> Iterator[str]:
    """A class, and its public methods and properties in the order of the source."""
    qualified = f"litho.{name}" if name in litho.__all__ else f"{value.__module__}.{name}"
    yield entry("###", qualified, value)
    for attribute, member in members(value):
        if isinstance(member, property):
            yield f"#### {name}.{attribute}\n{markdown(member.__doc__)}"
        else:
            yield entry("####", f"{name}.{attribute}", getattr(value, attribute))


def members(value: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that litho defines, inherited ones included."""
    seen: set[str] = set()
    for base in value.__mro__:
        for attribute, member in vars(base).items() if base.__module__.startswith("litho") else ():
            method = isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
            if method and not attribute.startswith(("_", "model_")) and attribute not in seen:
                seen.add(attribute)
                yield attribute, member


def entry(level: str, name: str, value: Any) -> str:
    """Heading, signature and docstring of a class or function."""
    return f"{level} {name}\n```python\n{signature(name.rpartition('.')[2], value)}\n```\n{markdown(value.__doc__)}"


class _Source(str):
    """An annotation or a default that is shown as it stands in the source."""

    def __repr__(self) -> str:
        return str(self)


def signature(name: str, value: Any) -> str:
    """The call as it is written, one parameter per line where it is long."""
    try:
        found = inspect.signature(value)
    except ValueError:  # an enumeration has none
        return name
    # A pydantic model has resolved its annotations; those of its class are as they stand in the source.
    written = {
        key: text
        for base in reversed(getattr(value, "__mro__", ()))
        for key, text in vars(base).get("__annotations__", {}).items()
    }
    parameters = [
        one.replace(default=_default(one.default), annotation=_shown(written.get(one.name, one.annotation)))
        for one in found.parameters.values()
    ]
    found = found.replace(parameters=parameters, return_annotation=_shown(found.return_annotation))
    text = f"{name}{found}"
    if len(text) <= 100 or not parameters:
        return text
    lines = [f"    {one}," for one in parameters]
    keywords = [one.kind is inspect.Parameter.KEYWORD_ONLY for one in parameters]
    if any(keywords):
        lines.insert(keywords.index(True), "    *,")
    return "\n".join([f"{name}(", *lines, text[text.rindex(")") :]])


def _shown(annotation: Any) -> Any:
    return _Source(annotation) if isinstance(annotation, str) else annotation


def _default(value: Any) -> Any:
    return _Source(value.__name__) if inspect.isfunction(value) else value


def markdown(docstring: str | None) -> str:
    """A docstring's paragraphs and examples, and its sections as lists."""
    lines: list[str] = []
    section = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if found := _SECTION.match(line):
            section = True
            lines += [f"**{found[1]}**", ""]
        elif section and line.startswith("    "):
            item = _ITEM.match(line.strip()) if not line.startswith("     ") else None
            lines.append(f"- `{item[1]}`: {item[2]}" if item else f"  {line.strip()}")
        else:
            section = section and not line
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
