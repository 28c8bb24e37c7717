"""The signature file of a user's own module, in the vocabulary of `litho.signature.fields`.

It names the inputs and the range of the floats; litho derives everything else.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field as Constraint, ValidationError, ValidationInfo, field_validator, model_validator

from ...errors import UsageError
from ...signature import Signature
from ...signature.fields import image_output
from .constants import Constant, read_constant
from .documents import check_values, read_yaml_or_json
from .inputs import KEYS_OF, Argument, Extent, ImagePart, Input, Noise, NoisePart, Part, plain_message

__all__ = ["Declaration", "read_declaration"]

_LONGEST_GIVEN = 60


class _Output(ImagePart):
    """The picture that the module returns.

    Args:
        select: for a module that returns more than a tensor: name of an attribute or key, or an index.
    """

    select: str | Annotated[int, Constraint(strict=True)] | None = None


class _Sides(Part):
    """Other heights and widths of the source pictures that the module takes (`--size`).

    Args:
        least, most: in pixels, both included.
        divisible_by: divisor of both.
    """

    least: Extent
    most: Extent
    divisible_by: Extent = 1

    @model_validator(mode="after")
    def _multiples(self) -> _Sides:
        if self.least % self.divisible_by or self.most % self.divisible_by or self.least > self.most:
            raise ValueError(
                f"least {self.least} and most {self.most} must ascend and be multiples of {self.divisible_by}"
            )
        return self


class Declaration(Part):
    """The signature file.

    Args:
        inputs: fields of a request; noise comes first.
        output: the picture.
        sides: other sizes of source pictures that the module takes; by default none.
        constants: keyword argument of `forward` -> its value at every call, such as a timestep; see `constants`.
        method: method of the module to call instead of `forward`.
        licence: SPDX identifier of the weights.
    """

    inputs: Annotated[tuple[Input, ...], Constraint(min_length=1)]
    output: _Output
    sides: _Sides | None = None
    constants: Annotated[dict[Argument, Any], Constraint(default_factory=dict)]
    method: Annotated[str, Constraint(pattern=r"^[A-Za-z_]\w*$", max_length=128)] = "forward"
    licence: Annotated[str, Constraint(max_length=256)] | None = None

    @field_validator("constants")
    @classmethod
    def _read_constants(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Constant]:
        read: dict[str, Constant] = {}
        for name, value in given.items():
            try:
                read[name] = read_constant(value, info.context or Path.cwd())
            except ValueError as error:
                raise ValueError(f"{name!r} {error}") from None
        return read

    @model_validator(mode="after")
    def _noise_first(self) -> Declaration:
        if any(isinstance(given, Noise) for given in self.inputs[1:]):
            raise ValueError(
                "only the first input may be a seed or a latent; to pass it elsewhere, give argument: NAME;"
                " to pass several, give noises: {NAME: [EXTENTS], ...}"
            )
        return self

    @model_validator(mode="after")
    def _each_argument_once(self) -> Declaration:
        uses = Counter(self.arguments)
        if twice := [name for name, count in uses.items() if count > 1]:
            raise ValueError(f"argument {twice[0]!r} is given twice; give each once")
        for name in uses:
            parents = [name[: match.start()] for match in re.finditer(r"\.", name)]
            if clash := [parent for parent in parents if parent in uses]:
                raise ValueError(f"argument {clash[0]!r} is one value, so {name!r} cannot be a part of it")
        return self

    @property
    def arguments(self) -> tuple[str, ...]:
        """Keyword arguments of `forward`: those of inputs, of several noises, then the constants."""
        parts = self.noise.noises or () if self.noise else ()
        named = (one.argument for one in (*self.inputs, *parts))
        return (*(name for name in named if name is not None), *self.constants)

    @property
    def sha256(self) -> str:
        """Hash of everything that the file says, with the content of its constants."""
        digest = hashlib.sha256(self.model_dump_json(exclude={"constants"}).encode())
        for name, constant in sorted(self.constants.items()):
            digest.update(f"{name} {constant.sha256()}\n".encode())
        return digest.hexdigest()

    @property
    def noise(self) -> Noise | None:
        """The noise; None if the module takes none."""
        first = self.inputs[0]
        return first if isinstance(first, Noise) else None

    def signature(self) -> Signature:
        """The signature: fields of a request, and the picture.

        Raises:
            UsageError: two fields have the same name.
        """
        output = image_output(self.output.height, self.output.width, self.output.channels)
        try:
            return Signature(inputs=tuple(given.field() for given in self.inputs), output=output)
        except ValidationError as error:
            raise UsageError(f"the signature has {plain_message(error)}; give a 'name' to some") from None


def read_declaration(given: Path | str | Mapping[str, Any]) -> Declaration:
    """Read a signature file.

    Args:
        given: path of a YAML or JSON file, or its content, whose constants lie in files of the current directory.

    Raises:
        UsageError: the file is missing or is not YAML or JSON, or a key or value is not allowed.
    """
    if isinstance(given, Mapping):
        content, where, folder = given, "signature", Path.cwd()
    else:
        content, where, folder = read_yaml_or_json(Path(given)), str(given), Path(given).parent
    if not isinstance(content, Mapping):
        raise UsageError(
            f"{where} holds a {type(content).__name__}; it must be a mapping with inputs and output"
        )
    try:
        check_values(content)
        return Declaration.model_validate(dict(content), context=folder)
    except ValidationError as error:
        raise UsageError(f"{where}: {_complaint(error)}") from None
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _complaint(error: ValidationError) -> str:
    """The first error in one line; for an unknown key with the known ones."""
    first = error.errors()[0]
    path = first["loc"]
    # After an input's index the path holds its role, which the file does not nest.
    shown = [part for index, part in enumerate(path) if index != 2 or path[0] != "inputs"]
    where = ".".join(map(str, shown))
    if first["type"] == "extra_forbidden":
        known = sorted(_known_keys(path))
        close = get_close_matches(str(path[-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"unknown key {where!r}{hint} (known: {', '.join(known)})"
    if first["type"] == "union_tag_invalid":
        context = first.get("ctx", {})
        known = context["expected_tags"].replace("'", "")
        return f"{where} has the unknown role {context['tag'][:_LONGEST_GIVEN]!r} (known: {known})"
    if first["type"] == "union_tag_not_found":
        return f"{where} has no role; give one, such as 'role: seed'"
    message = f"{plain_message(error)}{_given(first)}"
    return f"{where}: {message}" if where else message


def _given(error: Any) -> str:
    """What was given, if that is short and the message does not say it."""
    given = error.get("input")
    if error["type"] in ("value_error", "missing") or not isinstance(given, bool | int | float | str | None):
        return ""
    shown = repr(given)
    return f" (given: {shown if len(shown) <= _LONGEST_GIVEN else f'{shown[:_LONGEST_GIVEN]}...'})"


def _known_keys(path: tuple[int | str, ...]) -> set[str]:
    """The keys of the part of the file that holds the last one of a path."""
    if path[0] == "inputs":
        _, _, role, key, *deeper = path
        return set(NoisePart.model_fields) if key == "noises" and deeper else KEYS_OF[str(role)]
    parts: dict[Any, type[Part]] = {"output": _Output, "sides": _Sides}
    return set(parts.get(path[0], Declaration).model_fields)
