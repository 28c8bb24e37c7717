"""What a generator takes and gives: named fields from which graph, server, client and benchmark are derived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator

from ..errors import InvalidInput, UsageError, expected
from .fields import MOST_CHANNELS, Field, Role, latent_field
from .noise import MAX_SEED
from .synthetic_inputs import draw_images, draw_masks, draw_values

__all__ = ["AT_ONCE", "GeneratorSignature", "Signature", "in_batches", "with_latent"]

AT_ONCE = 64
"""Most pictures of one run where a run may have any number."""

_PIXELS_AT_ONCE = AT_ONCE * 128 * 128


class Signature(BaseModel):
    """Everything that a generator, or one stage of it, takes and what it gives.

        >>> signature = Bundle.load("bundles/digits").manifest.signature
        >>> [field.name for field in signature.inputs], signature.output.shape
        (['seed', 'label', 'truncation'], (32, 32, 1))

    Args:
        inputs: the fields of a request, in the order of the graph's inputs.
        output: what is made from them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[Field, ...]
    output: Field

    @model_validator(mode="after")
    def _consistent(self) -> Signature:
        names = [field.name for field in (*self.inputs, self.output)]
        if len(set(names)) != len(names):
            raise ValueError(f"field names {names} are not all different")
        if not self.inputs:
            raise ValueError("a generator needs at least one input")
        free = [field for field in self.inputs if field.free]
        if self.output.free != bool(free) or len({field.usual_size for field in free}) > 1:
            raise ValueError("pictures whose size is free are all so, those that come in of one usual size")
        if self.output.free and len(set(self._growth)) > 1:
            raise ValueError("height and width of the output are the same multiple of those of the input")
        return self

    @property
    def _growth(self) -> tuple[float, float]:
        """How many times height and width of the input those of the output are, where both are free."""
        (came, *_) = (field.usual_size for field in self.inputs if field.usual_size)
        made = self.output.usual_size
        assert made is not None, "output and inputs are free together"
        return made[0] / came[0], made[1] / came[1]

    def field(self, role: Role) -> Field | None:
        """The input of `role`, or None where the generator has none."""
        for field in self.inputs:  # a gateway asks thousands of times a second
            if field.role == role:
                return field
        return None

    @property
    def sized_by(self) -> Field | None:
        """The input whose height and width decide the picture's; None where the size is fixed."""
        for field in self.inputs:
            if field.free:
                return field
        return None

    @property
    def at_once(self) -> int:
        """Pictures of one run, so that it fits into memory: 64 of up to 128x128, 16 of 256x256, 1 of 1024x1024.

        Of pictures whose size is free, the usual one counts. Of a stage that makes no pictures it is 64.
        """
        if self.output.role is not Role.IMAGE:
            return AT_ONCE
        height, width, _ = self.output.usual_shape
        return max(1, min(AT_ONCE, _PIXELS_AT_ONCE // (height * width)))

    def output_shape(self, inputs: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
        """Shape of what is made from checked inputs, with the batch axis in front."""
        batch = len(next(iter(inputs.values())))
        source = self.sized_by
        if source is None:
            return (batch, *self.output.shape)
        sides = zip(inputs[source.name].shape[1:3], self._growth, strict=True)
        return (batch, *(round(side * growth) for side, growth in sides), *self.output.shape[2:])

    def with_free_size(self, least_side: int, most_side: int, divisible_by: int = 1) -> Signature:
        """The signature with pictures of any size, in and out; the present sizes become the usual ones.

        Args:
            least_side, most_side: of the pictures that come in, in pixels; those that go out are the same multiple
                of them as now.
            divisible_by: what their height and width must be a multiple of.

        Raises:
            UsageError: no picture comes in, or the present sizes are none of the free ones.
        """
        limits = (least_side, most_side, divisible_by)
        came = [field for field in self.inputs if field.role in (Role.IMAGE, Role.MASK)]
        if not came:
            raise UsageError("pictures of any size are made from pictures; this generator takes none")
        growth = self.output.shape[0] / came[0].shape[0]
        try:
            return Signature(
                inputs=tuple(
                    field.with_free_size(*limits) if field in came else field for field in self.inputs
                ),
                output=self.output.with_free_size(*(round(side * growth) for side in limits)),
            )
        except ValidationError as error:
            raise UsageError(expected(error.errors()[0])) from None

    def with_size(self, height: int, width: int) -> Signature:
        """The signature, whose sizes are free, with one size of the pictures that come in.

        Raises:
            InvalidInput: the size is not allowed.
        """
        source = self.sized_by
        assert source is not None, "of a signature with free sizes"
        source.check(np.zeros((1, height, width, *source.shape[2:]), source.numpy_dtype))
        made = (round(side * growth) for side, growth in zip((height, width), self._growth, strict=True))
        inputs = tuple(field.with_size(height, width) if field.free else field for field in self.inputs)
        return Signature(inputs=inputs, output=self.output.with_size(*made))

    def check(self, inputs: Mapping[str, ArrayLike]) -> dict[str, NDArray[Any]]:
        """The inputs as arrays of the right dtype and one common batch, defaults filled in, in order.

        Raises:
            InvalidInput: a field is unknown, missing, or given a value that it does not allow.
        """
        known = {field.name for field in self.inputs}
        if not inputs.keys() <= known:
            unknown = min(inputs.keys() - known)
            raise InvalidInput(f"unknown field {unknown!r} (known: {', '.join(sorted(known))})")
        batch: int | None = None
        checked: dict[str, NDArray[Any]] = {}
        for field in self.inputs:
            if field.name in inputs:
                checked[field.name] = field.check(inputs[field.name], batch)
                batch = len(checked[field.name])
            elif field.default is None:
                raise InvalidInput(
                    f"field {field.name!r} is missing; it takes {field.allowed}", missing=field.name
                )
        self._check_one_size(checked)
        if len(checked) == len(self.inputs):
            return checked
        complete = self.with_defaults(checked)
        return {field.name: complete[field.name] for field in self.inputs}

    def _check_one_size(self, checked: Mapping[str, NDArray[Any]]) -> None:
        sizes = {field.name: checked[field.name].shape[1:3] for field in self.inputs if field.free}
        if len(set(sizes.values())) > 1:
            given = ", ".join(f"{name!r} of {height}x{width}" for name, (height, width) in sizes.items())
            raise InvalidInput(f"given were {given}; pictures that belong together have one size")

    def broadcast(self, fields: Mapping[str, ArrayLike]) -> dict[str, Any]:
        """The fields with one common batch: a single value, or one image without a batch axis, is repeated.

        Apart from the number of values nothing is checked; `check` does that.

        Raises:
            InvalidInput: two fields have different numbers of values.
        """
        axes = {field.name: len(field.shape) for field in self.inputs}
        single = {name for name, values in fields.items() if np.ndim(values) <= axes.get(name, 0)}
        counts = {name: np.shape(values)[0] for name, values in fields.items() if name not in single}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{count} for {name!r}" for name, count in counts.items())
            raise InvalidInput(
                f"numbers of values differ: {listed}; give the same number for each, or a single value"
            )
        count = max(counts.values(), default=1)
        return {
            name: np.repeat(np.asarray(values)[None], count, axis=0) if name in single else values
            for name, values in fields.items()
        }

    def with_defaults(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The inputs, and the defaults of those that are not given and have one; nothing is checked.

        Args:
            inputs: field name -> array with one common batch axis in front.
        """
        if len(inputs) == len(self.inputs):
            return dict(inputs)
        batch = len(next(iter(inputs.values()), [None]))
        defaults = {
            field.name: np.full((batch, *field.usual_shape), field.default, field.numpy_dtype)
            for field in self.inputs
            if field.name not in inputs and field.default is not None
        }
        return {**inputs, **defaults}

    def example(self, batch: int, seed: int = 0) -> dict[str, NDArray[Any]]:
        """Inputs drawn by the generator's own law: distinct seeds, balanced labels.

        Images are smooth and noisy in turn: bilinear gradients, soft and less soft clouds, white noise. Masks have one
        hole each, a rectangle of a quarter to a half of the picture's height and width.

        Args:
            batch: how many pictures.
            seed: makes the draw repeatable.
        """
        generator = np.random.default_rng(seed)
        return {field.name: _draw(field, batch, generator) for field in self.inputs}


def _gives_a_picture(signature: Signature) -> Signature:
    output = signature.output
    if output.role is not Role.IMAGE or output.dtype != "UINT8" or len(output.shape) != 3:
        raise ValueError("the output of a generator is an image: UINT8, shape (height, width, channels)")
    if output.shape[2] > MOST_CHANNELS:
        raise ValueError(f"the image has {output.shape[2]} channels; allowed are 1 to {MOST_CHANNELS}")
    return signature


GeneratorSignature = Annotated[Signature, AfterValidator(_gives_a_picture)]
"""Signature of a whole generator: its output is a picture, UINT8 of shape (height, width, channels)."""


def _draw(field: Field, batch: int, generator: np.random.Generator) -> NDArray[Any]:
    shape = (batch, *field.usual_shape)
    match field.role:
        case Role.SEED:
            return generator.integers(0, MAX_SEED, shape, dtype=np.int64, endpoint=True)
        case Role.LABEL:
            return np.arange(batch, dtype=np.int64) % (int(field.maximum or 0) + 1)
        case Role.TOKENS:
            return generator.integers(0, int(field.maximum or 0), shape, dtype=np.int64, endpoint=True)
        case Role.LATENT | Role.EMBEDDING | Role.SAMPLE:
            return generator.standard_normal(shape, dtype=np.float32)
        case Role.TIME | Role.STEP:
            return generator.random(shape, dtype=np.float32)
        case Role.PROMPT:
            return np.full(shape, field.default or "a picture", dtype=object)
        case Role.IMAGE:
            return draw_images(shape, generator)
        case Role.MASK:
            return draw_masks(shape, generator)
        case Role.CONDITION:
            return draw_values(shape, field.numpy_dtype, (field.minimum, field.maximum), generator)
        case _:
            value = field.default if field.default is not None else field.minimum
            return np.full(shape, value, dtype=field.numpy_dtype)


def in_batches(inputs: Mapping[str, NDArray[Any]], size: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Split inputs along their batch axis into parts of `size` rows; the last part has what is left.

    Args:
        inputs: field name -> array with a common batch axis in front.
        size: rows of one part, at least 1.
    """
    count = len(next(iter(inputs.values())))
    for start in range(0, count, size):
        yield {name: values[start : start + size] for name, values in inputs.items()}


def with_latent(signature: Signature, size: int) -> Signature:
    """The signature with a latent of `size` values in the seed's place."""
    inputs = tuple(latent_field(size) if field.role is Role.SEED else field for field in signature.inputs)
    return signature.model_copy(update={"inputs": inputs})
