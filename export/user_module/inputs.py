"""The inputs of a signature file: noise, classes, pictures and conditions, each with the keys that its role has."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field as Constraint,
    ValidationError,
    field_validator,
    model_validator,
)

from ...errors import InvalidInput, expected
from ...signature.fields import (
    MOST_AXES,
    MOST_CHANNELS,
    Field,
    Role,
    condition_field,
    label_field,
    mask_field,
    seed_field,
    source_field,
    truncation_field,
)
from ...signature.noise import NOISE

__all__ = [
    "KEYS_OF",
    "Argument",
    "Condition",
    "Extent",
    "ImagePart",
    "Input",
    "Noise",
    "NoisePart",
    "Part",
    "plain_message",
]

MOST_VALUES = 1 << 26
"""Most values of noise, of a condition, or of a picture, for one picture."""

_MOST_EXTENT = 1 << 16
_MOST_SPANS = 1000
_NAME = r"^[a-z][a-z0-9_]*$"

Extent = Annotated[int, Constraint(ge=1, le=_MOST_EXTENT, strict=True)]
Shape = Annotated[tuple[Extent, ...], Constraint(min_length=1, max_length=MOST_AXES)]
Range = tuple[float, float]
Argument = Annotated[str, Constraint(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=128)]
"""A keyword argument of `forward`; with a dot, a key of a mapping that is one: "added_cond_kwargs.time_ids"."""


def _check_count(count: int) -> None:
    if count > MOST_VALUES:
        raise ValueError(f"{count} values for one picture; allowed are at most {MOST_VALUES}")


class Part(BaseModel):
    """Base class of the parts of a signature file: immutable, without unknown keys."""

    # YAML reads class names such as 7 as numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


class ImagePart(Part):
    """A picture and the range of its floats.

    Args:
        height, width: in pixels.
        channels: 1 is grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        range: the floats for black and white; of alpha, for what is transparent and what is not.
    """

    height: Extent
    width: Extent
    channels: Annotated[int, Constraint(ge=1, le=MOST_CHANNELS, strict=True)]
    range: Range = (-1.0, 1.0)

    @model_validator(mode="after")
    def _ascending(self) -> ImagePart:
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"range {list(self.range)} must ascend, such as [-1, 1] or [0, 1]")
        if not 1e-3 <= high - low <= 1e6 or max(abs(low), abs(high)) > _MOST_SPANS * (high - low):
            raise ValueError(
                f"range {list(self.range)} is one that FP32 cannot resolve; allowed are spans of 0.001 to 1000000 that"
                f" lie within {_MOST_SPANS} spans of 0"
            )
        _check_count(math.prod((self.height, self.width, self.channels)))
        return self


class _Input(Part):
    """One input.

    Args:
        name: of the field in requests; by default the usual name of the role.
        argument: keyword argument of `forward`; by default inputs are positional, in order.
    """

    name: Annotated[str, Constraint(pattern=_NAME, max_length=64)] | None = None
    argument: Argument | None = None

    @field_validator("name")
    @classmethod
    def _not_the_noise(cls, name: str | None) -> str | None:
        if name == NOISE:
            raise ValueError(f"{NOISE!r} is what graphs call the noise of a seed; choose another name")
        return name

    def named(self, field: Field) -> Field:
        """`field` with this input's name, if it has one."""
        return field if self.name is None else field.model_copy(update={"name": self.name})


class NoisePart(Part):
    """One of several noises.

    Args:
        argument: keyword argument of `forward`; None for the next positional one.
        shape: of the noise of one picture, where the argument is one tensor.
        shapes: instead of `shape`, where the argument is a list of tensors.
    """

    argument: Argument | None = None
    shape: Shape | None = None
    shapes: Annotated[tuple[Shape, ...], Constraint(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> NoisePart:
        if (self.shape is None) == (self.shapes is None):
            raise ValueError(
                "a noise needs either shape, such as [512], or shapes, such as [[1, 4, 4], [1, 8, 8]]"
            )
        return self

    @property
    def tensors(self) -> tuple[Shape, ...]:
        """Shape of each tensor."""
        return self.shapes or (() if self.shape is None else (self.shape,))


def _noise_parts(given: Any) -> Any:
    """Several noises, as a mapping of arguments or as a list, in the form of `NoisePart`."""

    def part(argument: Any, shape: Any) -> Any:
        several = isinstance(shape, list | tuple) and any(isinstance(one, list | tuple) for one in shape)
        return {"argument": argument, "shapes" if several else "shape": shape}

    if isinstance(given, Mapping):
        return tuple(part(argument, shape) for argument, shape in given.items())
    if isinstance(given, list | tuple):
        return tuple(one if isinstance(one, Mapping | NoisePart) else part(None, one) for one in given)
    return given


class Noise(_Input):
    """Standard normal noise, derived from the seed or given in the request.

    Args:
        role: "seed", or "latent" if the request holds the noise.
        shape: of the noise of one picture, as `forward` takes it.
        noises: instead of `shape`, several noises: a mapping of arguments of `forward` to shapes, or to lists of
            shapes; or a list of shapes, which are positional arguments, and of mappings with the keys of `NoisePart`.
            They are cut from the noise of one seed, one after the other.
    """

    role: Literal["seed", "latent"]
    shape: Shape | None = None
    noises: (
        Annotated[tuple[NoisePart, ...], Constraint(min_length=1), BeforeValidator(_noise_parts)] | None
    ) = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Noise:
        if (self.shape is None) == (self.noises is None):
            raise ValueError(
                "give either shape, such as [512], or noises, such as {z: [512], noise: [1, 8, 8]}"
            )
        if self.noises is not None and self.argument is not None:
            raise ValueError("noises names the arguments already; leave argument out")
        _check_count(self.size)
        return self

    @property
    def size(self) -> int:
        """Values of noise per picture."""
        shapes = [self.shape] if self.shape else [one for part in self.noises or () for one in part.tensors]
        return sum(map(math.prod, shapes))

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


class _Source(_Input, ImagePart):
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


class Condition(_Input):
    """What a picture depends on, of any shape: an embedding, a pose, a depth map, a time.

    Args:
        dtype: "FP32", "INT64" or "UINT8", as `forward` gets it.
        shape: of one picture's value; `forward` gets (batch, *shape), of one number (batch,).
        minimum, maximum: of each element, both included; an INT64 condition needs both. Values to prove and time
            variants with are drawn between them, or else are standard normal.
        default: value of each element where a request does not say.
    """

    role: Literal["condition"]
    dtype: Literal["FP32", "INT64", "UINT8"] = "FP32"
    shape: Annotated[tuple[Extent, ...], Constraint(max_length=MOST_AXES)] = ()
    minimum: float | int | None = None
    maximum: float | int | None = None
    default: float | int | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Condition:
        _check_count(math.prod(self.shape))
        if self.dtype == "INT64" and None in (self.minimum, self.maximum):
            raise ValueError(
                "an INT64 condition needs minimum and maximum, such as 0 and 999: values are drawn between them"
            )
        numbers = [number for number in (self.minimum, self.maximum, self.default) if number is not None]
        if not all(abs(number) <= sys.float_info.max for number in numbers):  # of integers, too
            raise ValueError("minimum, maximum and default are finite numbers")
        if self.dtype != "FP32" and not all(isinstance(number, int) for number in numbers):
            raise ValueError(f"minimum, maximum and default of {self.dtype} are whole numbers")
        try:
            field = self.field()
            if self.default is not None:
                field.check(np.full((1, *self.shape), self.default, field.numpy_dtype))
        except (InvalidInput, ValidationError) as error:
            raise ValueError(plain_message(error)) from None
        return self

    def field(self) -> Field:
        """The field of a request; without a name it has that of its argument."""
        own = (self.argument or "").rpartition(".")[2]
        usable = re.match(_NAME, own) and len(own) <= 64 and own != NOISE
        name = self.name or (own if usable else "condition")
        return condition_field(name, self.shape, self.dtype, (self.minimum, self.maximum), self.default)


Input = Annotated[
    Noise | _Label | _Source | _Mask | _Truncation | Condition, Constraint(discriminator="role")
]


def plain_message(error: Exception) -> str:
    """The first thing that an error says, in the words of a signature file rather than of the library."""
    if not isinstance(error, ValidationError):
        return str(error)
    return expected(error.errors()[0])


KEYS_OF: dict[str, set[str]] = {
    "seed": set(Noise.model_fields),
    "latent": set(Noise.model_fields),
    "label": set(_Label.model_fields),
    "image": set(_Source.model_fields),
    "mask": set(_Mask.model_fields),
    "truncation": set(_Truncation.model_fields),
    "condition": set(Condition.model_fields),
}
"""Role -> the keys that an input may have."""
