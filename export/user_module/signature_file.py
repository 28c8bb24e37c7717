"""The signature file of a user's own module, in the vocabulary of `litho.signature.fields`.

It names the inputs and the range of the floats; litho derives everything else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field as Constraint, ValidationError, model_validator

from ...errors import UsageError
from ...extras import require
from ...signature import Signature
from ...signature.fields import (
    Field,
    Role,
    image_output,
    label_field,
    mask_field,
    seed_field,
    source_field,
    truncation_field,
)

__all__ = ["Declaration", "Input", "Noise", "read_declaration"]

Extent = Annotated[int, Constraint(ge=1, strict=True)]
Shape = Annotated[tuple[Extent, ...], Constraint(min_length=1)]
Range = tuple[float, float]


class _Part(BaseModel):
    # YAML reads class names such as 7 as numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class _Image(_Part):
    """A picture and the range of its floats.

    Args:
        height, width, channels: in pixels; 1 channel is grey, 3 are RGB.
        range: the floats for black and white.
    """

    height: Extent
    width: Extent
    channels: Literal[1, 3]
    range: Range = (-1.0, 1.0)

    @model_validator(mode="after")
    def _ascending(self) -> _Image:
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"range {list(self.range)} must ascend, such as [-1, 1] or [0, 1]")
        return self


class _Input(_Part):
    """One input.

    Args:
        name: of the field in requests; by default the usual name of the role.
        argument: keyword argument of `forward`; by default inputs are positional, in order.
    """

    name: Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)] | None = None
    argument: str | None = None

    def named(self, field: Field) -> Field:
        """`field` with this input's name, if it has one."""
        return field if self.name is None else field.model_copy(update={"name": self.name})


class Noise(_Input):
    """Standard normal noise, derived from the seed or given in the request.

    Args:
        role: "seed", or "latent" if the request holds the noise.
        shape: of the noise of one picture, as `forward` takes it.
        noises: instead of `shape`, keyword argument of `forward` -> shape, for several noises; they are cut from the
            noise of one seed, one after the other.
    """

    role: Literal["seed", "latent"]
    shape: Shape | None = None
    noises: Annotated[dict[str, Shape], Constraint(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Noise:
        if (self.shape is None) == (self.noises is None):
            raise ValueError(
                "give either shape, such as [512], or noises, such as {z: [512], noise: [1, 8, 8]}"
            )
        if self.noises is not None and self.argument is not None:
            raise ValueError("noises names the arguments already; leave argument out")
        return self

    @property
    def size(self) -> int:
        """Values of noise per picture."""
        return sum(
            math.prod(shape) for shape in ([self.shape] if self.shape else (self.noises or {}).values())
        )

    def field(self) -> Field:
        """The field of a request."""
        return self.named(seed_field() if self.role == "seed" else self.latent)

    @property
    def latent(self) -> Field:
        """The field of the noise; several noises are one vector, in their order."""
        return Field(name="latent", role=Role.LATENT, dtype="FP32", shape=self.shape or (self.size,))


class _Label(_Input):
    """The class, INT64 of shape (batch,).

    Args:
        class_names: one name for each class.
    """

    role: Literal["label"]
    class_names: Annotated[tuple[str, ...], Constraint(min_length=1)]

    def field(self) -> Field:
        """The field of a request."""
        return self.named(label_field(self.class_names))


class _Source(_Input, _Image):
    """A picture to start from, FP32 of shape (batch, channels, height, width) in its range."""

    role: Literal["image"]

    def field(self) -> Field:
        """The field of a request."""
        return self.named(source_field(self.height, self.width, self.channels))


class _Mask(_Input):
    """A hole in the picture, FP32 of shape (batch, 1, height, width): 1 inside, 0 outside."""

    role: Literal["mask"]
    height: Extent
    width: Extent

    def field(self) -> Field:
        """The field of a request."""
        return self.named(mask_field(self.height, self.width))


class _Truncation(_Input):
    """A number from 0 to 1, FP32 of shape (batch,); 1 where a request does not say."""

    role: Literal["truncation"]

    def field(self) -> Field:
        """The field of a request."""
        return self.named(truncation_field())


Input = Annotated[Noise | _Label | _Source | _Mask | _Truncation, Constraint(discriminator="role")]


class _Output(_Image):
    """The picture that the module returns.

    Args:
        select: for a module that returns more than a tensor: name of an attribute or key, or an index.
    """

    select: str | Annotated[int, Constraint(strict=True)] | None = None


class _Sides(_Part):
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


class Declaration(_Part):
    """The signature file.

    Args:
        inputs: fields of a request; noise comes first.
        output: the picture.
        sides: other sizes of source pictures that the module takes; by default none.
        constants: keyword argument of `forward` -> fixed value, such as a timestep.
        method: method of the module to call instead of `forward`.
        licence: SPDX identifier of the weights.
    """

    inputs: Annotated[tuple[Input, ...], Constraint(min_length=1)]
    output: _Output
    sides: _Sides | None = None
    constants: dict[str, bool | int | float | str | None] = {}
    method: str = "forward"
    licence: str | None = None

    @model_validator(mode="after")
    def _noise_first(self) -> Declaration:
        if any(isinstance(given, Noise) for given in self.inputs[1:]):
            raise ValueError(
                "only the first input may be a seed or a latent; to pass it elsewhere, give argument: NAME;"
                " to pass several, give noises: {NAME: [EXTENTS], ...}"
            )
        return self

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
            raise UsageError(
                f"the signature has {_message(error.errors()[0]['msg'])}; give a 'name' to some"
            ) from None


def read_declaration(given: Path | str | Mapping[str, Any]) -> Declaration:
    """Read a signature file.

    Args:
        given: path of a YAML or JSON file, or its content.

    Raises:
        UsageError: the file is missing or is not YAML or JSON, or a key or value is not allowed.
    """
    content, where = (given, "signature") if isinstance(given, Mapping) else (_read(Path(given)), str(given))
    if not isinstance(content, Mapping):
        raise UsageError(
            f"{where} holds a {type(content).__name__}; it must be a mapping with inputs and output"
        )
    try:
        return Declaration.model_validate(dict(content))
    except ValidationError as error:
        raise UsageError(f"{where}: {_complaint(error)}") from None


def _read(file: Path) -> Any:
    if file.suffix not in (".yaml", ".yml", ".json"):
        raise UsageError(f"--signature was given {str(file)!r}; it takes a .yaml, .yml or .json file")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"signature {file} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{file} is not JSON: {error}") from None
    yaml = require("yaml", "export")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not YAML: {' '.join(str(error).split())}") from None


def _complaint(error: ValidationError) -> str:
    """The first error in one line; for an unknown key with the known ones."""
    first = error.errors()[0]
    path = first["loc"]
    # After an input's index the path holds its role, which the file does not nest.
    shown = [part for index, part in enumerate(path) if index != 2 or path[0] != "inputs"]
    where = ".".join(map(str, shown))
    if first["type"] == "extra_forbidden":
        known = sorted(_KEYS_OF.get(path[2] if path[0] == "inputs" else path[0], _KEYS_OF[""]))
        close = get_close_matches(str(path[-1]), known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"unknown key {where!r}{hint} (known: {', '.join(known)})"
    if first["type"] == "union_tag_invalid":
        context = first.get("ctx", {})
        known = context["expected_tags"].replace("'", "")
        return f"{where} has the unknown role {context['tag']!r} (known: {known})"
    if first["type"] == "union_tag_not_found":
        return f"{where} has no role; give one, such as 'role: seed'"
    message = _message(first["msg"])
    return f"{where}: {message}" if where else message


def _message(text: str) -> str:
    return text.removeprefix("Value error, ")


_KEYS_OF: dict[Any, set[str]] = {
    "": set(Declaration.model_fields),
    "output": set(_Output.model_fields),
    "sides": set(_Sides.model_fields),
    "seed": set(Noise.model_fields),
    "latent": set(Noise.model_fields),
    "label": set(_Label.model_fields),
    "image": set(_Source.model_fields),
    "mask": set(_Mask.model_fields),
    "truncation": set(_Truncation.model_fields),
}
"""Part of the file -> the keys that it may have."""
