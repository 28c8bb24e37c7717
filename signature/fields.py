"""The fields that a generator takes and gives: what each means, what it allows, and the check of a value.

Shapes here are those of one picture; every array that travels has a batch axis in front. A scalar field (shape
`()`) therefore travels as an array of shape (batch,).
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field as Constraint, model_validator

from ..errors import InvalidInput
from .noise import MAX_SEED

__all__ = [
    "MAX_TEXT_BYTES",
    "Field",
    "Role",
    "Size",
    "condition_field",
    "image_output",
    "label_field",
    "latent_field",
    "mask_field",
    "seed_field",
    "source_field",
    "truncation_field",
]

DType = Literal["INT64", "FP32", "UINT8", "BYTES"]
"""Names of element types as Triton writes them, without its "TYPE_"."""

Size = tuple[int, int]
"""Height and width in pixels."""

MAX_TEXT_BYTES = 4096
"""The longest text of a field BYTES, in UTF-8."""

MOST_CHANNELS = 4
"""Channels of a picture: 1 is grey, 2 grey and alpha, 3 RGB, 4 RGBA; alpha is 255 where nothing shines through."""

MOST_AXES = 7
"""Most axes of one picture's value: with the batch eight, as many as TensorRT takes."""

MOST_ELEMENTS = 2**31 - 1
"""Most elements that one picture's value of a field has: tensors of graphs and engines hold no more."""

_NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "INT64": np.dtype(np.int64),
    "FP32": np.dtype(np.float32),
    "UINT8": np.dtype(np.uint8),
    "BYTES": np.dtype(object),
}


class Role(StrEnum):
    """What a field means to a generator; those from TOKENS on travel only between the stages of one."""

    SEED = "seed"
    LATENT = "latent"
    LABEL = "label"
    PROMPT = "prompt"
    IMAGE = "image"
    MASK = "mask"
    STEPS = "steps"
    GUIDANCE = "guidance"
    TRUNCATION = "truncation"
    CONDITION = "condition"
    TOKENS = "tokens"
    EMBEDDING = "embedding"
    SAMPLE = "sample"
    TIME = "time"
    STEP = "step"


class Field(BaseModel):
    """One named input or output.

    Args:
        name: key of the field in requests and tensors.
        role: what it means.
        dtype: element type.
        shape: shape of one picture's value, without the batch axis; -1 for height and width that are free.
        minimum, maximum: allowed range of each element, both included; None where there is no bound.
        class_names: of a label, the name of each class in order.
        default: value used for every picture when the field is not given; None makes it required.
        divisible_by: where height and width are free, what both must be a multiple of.
        least_side, most_side: where they are free, what both may be, in pixels, both included.
        usual_size: where they are free, height and width that examples have and measurements are made with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
    role: Role
    dtype: DType
    shape: tuple[int, ...] = ()
    minimum: float | int | None = None
    maximum: float | int | None = None
    class_names: tuple[str, ...] | None = None
    default: float | int | str | None = None
    divisible_by: Annotated[int, Constraint(ge=1)] = 1
    least_side: Annotated[int, Constraint(ge=1)] | None = None
    most_side: Annotated[int, Constraint(ge=1)] | None = None
    usual_size: Size | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Field:
        fixed = self.shape[2:] if self.free else self.shape
        if math.prod(map(abs, self.shape)) > MOST_ELEMENTS or len(self.shape) > MOST_AXES:
            raise ValueError(
                f"shape of {self.name!r} has {len(self.shape)} axes or an extent that is too large; allowed are"
                f" {MOST_AXES} axes and {MOST_ELEMENTS} elements"
            )
        self._check_bounds()
        if any(extent < 1 for extent in fixed):
            raise ValueError(
                f"shape {self.shape} of {self.name!r}: extents are positive, but for a picture's height and width,"
                " which are both -1 where they are free"
            )
        self._check_sides()
        if self.class_names is not None and self.maximum != len(self.class_names) - 1:
            raise ValueError(
                f"{self.name!r} has {len(self.class_names)} class names but maximum {self.maximum}"
            )
        return self

    def _check_bounds(self) -> None:
        """Refuse numbers that no element can hold: arrays of defaults and probes are made from them."""
        if self.dtype == "BYTES":
            return
        info = np.finfo(np.float32) if self.dtype == "FP32" else np.iinfo(self.numpy_dtype)
        least, most = (float(info.min), float(info.max)) if self.dtype == "FP32" else (info.min, info.max)
        for key in ("minimum", "maximum", "default"):
            value = getattr(self, key)
            if value is None:
                continue
            if isinstance(value, str) or not least <= value <= most:
                shown = value if isinstance(value, str) else "a number outside its range"
                raise ValueError(
                    f"{key} of {self.name!r} is {shown}; {self.dtype} holds {least:g} to {most:g}"
                )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} of {self.name!r} is above its maximum {self.maximum}")

    def _check_sides(self) -> None:
        limits = (self.least_side, self.most_side, self.usual_size)
        if not self.free:
            if limits != (None, None, None):
                raise ValueError(f"{self.name!r} of shape {self.shape} has no free height and width to limit")
            return
        if self.least_side is None or self.most_side is None or self.usual_size is None:
            raise ValueError(f"{self.name!r} is free and needs least_side, most_side and usual_size")
        sides = (self.least_side, *self.usual_size, self.most_side)
        if any(side % self.divisible_by for side in sides):
            raise ValueError(f"sides {sides} of {self.name!r} are not all divisible by {self.divisible_by}")
        if any(not self.least_side <= side <= self.most_side for side in sides):
            raise ValueError(
                f"usual size {self.usual_size} of {self.name!r} is not within {self.least_side} to {self.most_side}"
            )

    @property
    def free(self) -> bool:
        """Whether height and width are free."""
        return len(self.shape) == 3 and self.shape[:2] == (-1, -1)

    @property
    def usual_shape(self) -> tuple[int, ...]:
        """The shape; where height and width are free, with the usual ones."""
        return self.shape if self.usual_size is None else (*self.usual_size, *self.shape[2:])

    @property
    def extreme_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The smallest and the largest shape; one and the same where nothing is free."""
        if self.least_side is None or self.most_side is None:
            return self.shape, self.shape
        least, most = self.least_side, self.most_side
        return (least, least, *self.shape[2:]), (most, most, *self.shape[2:])

    def nearest_side(self, side: int) -> int:
        """The largest free height or width that is allowed and not above `side`, else the smallest allowed."""
        least, most = self.least_side or 1, self.most_side or side
        return max(least, min(side, most) // self.divisible_by * self.divisible_by)

    def with_size(self, height: int, width: int) -> Field:
        """This field with a height and width that are no longer free."""
        free = {"divisible_by": 1, "least_side": None, "most_side": None, "usual_size": None}
        return self.model_copy(update={**free, "shape": (height, width, *self.shape[2:])})

    def with_free_size(self, least_side: int, most_side: int, divisible_by: int) -> Field:
        """This field with free height and width; those that it has become the usual ones."""
        height, width, channels = self.shape
        return Field(
            **{
                **dict(self),
                "shape": (-1, -1, channels),
                "divisible_by": divisible_by,
                "least_side": least_side,
                "most_side": most_side,
                "usual_size": (height, width),
            }
        )

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy element type."""
        return _NUMPY_DTYPES[self.dtype]

    @property
    def allowed(self) -> str:
        """What the field allows, in words for a person."""
        extents = ("height", "width", *self.shape[2:]) if self.free else self.shape
        shape = ", ".join(["batch", *map(str, extents)])
        words = f"{self.dtype} of shape ({shape})"
        if self.dtype == "BYTES":
            words += f", UTF-8 of at most {MAX_TEXT_BYTES} bytes each"
        if self.minimum is not None and self.maximum is not None:
            words += f", {self.minimum} to {self.maximum}"
        elif self.minimum is not None:
            words += f", at least {self.minimum}"
        if self.free:
            words += f", height and width {self.least_side} to {self.most_side}"
            words += f", divisible by {self.divisible_by}" if self.divisible_by > 1 else ""
        return words

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether one picture's value may have this shape, without the batch axis."""
        if shape == self.shape:  # which is none where it is free
            return True
        if len(shape) != len(self.shape):
            return False
        if self.free and any(side != self.nearest_side(side) for side in shape[:2]):
            return False
        return all(want in (-1, have) for want, have in zip(self.shape, shape, strict=True))

    def check(self, value: ArrayLike, batch: int | None = None) -> NDArray[Any]:
        """`value` as an array of this field's dtype and shape, contiguous.

        Integers are taken for a float field, a plain number for a batch of one, and bytes in UTF-8 for the text that
        they are; nothing else is converted.

        Raises:
            InvalidInput: the dtype, shape or range is not allowed, a value is not finite, or the batch differs.
        """
        array = self._convert(value)
        if not self.fits(array.shape[1:]):
            raise self._refused(f"shape {array.shape}")
        if array.shape[0] == 0:
            raise self._refused("an empty batch")
        if batch is not None and array.shape[0] != batch:
            raise self._refused(f"a batch of {array.shape[0]} beside fields with a batch of {batch}")
        if self.dtype == "FP32" and not np.isfinite(array).all():
            raise self._refused("a value that is NaN or infinite")
        self._check_range(array)
        return np.ascontiguousarray(array)

    def _convert(self, value: ArrayLike) -> NDArray[Any]:
        # Of the subclasses, a masked array would hide values from the checks.
        if type(value) is np.ndarray and value.dtype == self.numpy_dtype and self.dtype != "BYTES":
            return value.copy() if value.ndim else value[None].copy()
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError):  # ragged nesting; an integer beyond 64 bits
            raise self._refused("a ragged or overflowing array") from None
        if array.ndim == 0:
            array = array[None]
        if self.dtype == "BYTES":
            return self._convert_texts(array)
        if array.dtype == object:
            # Python integers beyond INT64 arrive here: a number, but out of range.
            raise self._refused(f"value {array.flat[0]!r}" if array.size else "an empty batch")
        if array.dtype.kind == "u" and self.dtype == "INT64":
            if array.size and int(array.max()) > MAX_SEED:
                raise self._refused(f"value {int(array.max())}")
            return array.astype(np.int64)
        kinds = {"INT64": "i", "FP32": "fiu", "UINT8": "u"}[self.dtype]
        if array.dtype.kind not in kinds or (self.dtype == "UINT8" and array.dtype != np.uint8):
            raise self._refused(f"dtype {array.dtype}")
        return array.astype(self.numpy_dtype)

    def _convert_texts(self, array: NDArray[Any]) -> NDArray[Any]:
        if array.dtype.kind not in "OUS":
            raise self._refused(f"dtype {array.dtype}")
        texts = np.empty(array.shape, dtype=object)
        for index, value in np.ndenumerate(array):
            if not isinstance(value, str | bytes):
                raise self._refused(f"a value of type {type(value).__name__}")
            try:
                content = value.encode() if isinstance(value, str) else value
                texts[index] = content.decode()
            except UnicodeError:
                raise self._refused("a text that is not UTF-8") from None
            if len(content) > MAX_TEXT_BYTES:
                raise self._refused(f"a text of {len(content)} bytes")
        return texts

    def _check_range(self, array: NDArray[Any]) -> None:
        if self.dtype == "BYTES":
            return
        one = array.size == 1  # the only value is found more quickly than the least of several
        if self.minimum is not None and (least := array.flat[0] if one else array.min()) < self.minimum:
            raise self._refused(f"value {least}")
        if self.maximum is not None and (most := array.flat[0] if one else array.max()) > self.maximum:
            raise self._refused(f"value {most}")

    def _refused(self, given: str) -> InvalidInput:
        return InvalidInput(f"field {self.name!r} was given {given}; allowed is {self.allowed}")


def seed_field() -> Field:
    """The field `seed`: INT64, 0 to 2**63 - 1."""
    return Field(name="seed", role=Role.SEED, dtype="INT64", minimum=0, maximum=MAX_SEED)


def latent_field(size: int) -> Field:
    """The field `latent`: FP32 of shape (size,), standard normal by convention, any finite value allowed."""
    return Field(name="latent", role=Role.LATENT, dtype="FP32", shape=(size,))


def label_field(class_names: tuple[str, ...]) -> Field:
    """The field `label`: INT64, an index into `class_names`."""
    return Field(
        name="label",
        role=Role.LABEL,
        dtype="INT64",
        minimum=0,
        maximum=len(class_names) - 1,
        class_names=class_names,
    )


def truncation_field() -> Field:
    """The field `truncation`: FP32, 0 to 1, by which the noise is multiplied; 1, the default, leaves it as it is.

    Less of it gives more typical and less varied pictures, as a lower temperature does (Kingma and Dhariwal 2018,
    section 6). Drawing anew what lies far out (Brock et al. 2019) would make the noise depend on a loop.
    """
    return Field(name="truncation", role=Role.TRUNCATION, dtype="FP32", minimum=0, maximum=1, default=1.0)


def condition_field(
    name: str,
    shape: tuple[int, ...] = (),
    dtype: DType = "FP32",
    limits: tuple[float | int | None, float | int | None] = (None, None),
    default: float | int | None = None,
) -> Field:
    """A field of any shape that a picture depends on: an embedding, a pose, a depth map, a time.

    Args:
        name: of the field.
        shape: of one picture's value; `()` for one number.
        dtype: "FP32", "INT64" or "UINT8".
        limits: smallest and largest element, both included; None for no limit but that of the type.
        default: value of every element where the field is not given; None makes it required.
    """
    least, most = limits
    if dtype == "UINT8":
        least, most = 0 if least is None else least, 255 if most is None else most
    return Field(
        name=name, role=Role.CONDITION, dtype=dtype, shape=shape, minimum=least, maximum=most, default=default
    )


def source_field(height: int, width: int, channels: int) -> Field:
    """The field `source`, a picture to start from: UINT8 of shape (height, width, channels), 0 to 255."""
    return _picture("source", Role.IMAGE, height, width, channels)


def mask_field(height: int, width: int) -> Field:
    """The field `mask`: UINT8 of shape (height, width, 1), 0 to 255; what is not zero is the hole to fill."""
    return _picture("mask", Role.MASK, height, width, 1)


def image_output(height: int, width: int, channels: int) -> Field:
    """The output `image`: UINT8 of shape (height, width, channels), 0 to 255."""
    return _picture("image", Role.IMAGE, height, width, channels)


def _picture(name: str, role: Role, height: int, width: int, channels: int) -> Field:
    shape = (height, width, channels)
    return Field(name=name, role=role, dtype="UINT8", shape=shape, minimum=0, maximum=255)
