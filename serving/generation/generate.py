"""Generate images from a run, a bundle or an endpoint, and write them to files."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError, InvalidInput, UsageError, did_you_mean
from ...files import check_file, check_folder, write_bytes
from ...reporting import picture_grid, png
from ...runners import Runner, open_runner
from ...signature import Signature
from ...signature.array_files import names_arrays, read_arrays
from ...signature.fields import Field, Role, Size
from ...signature.image_files import SUFFIXES, bombs_are_errors, read_picture

__all__ = ["generate", "parse_inputs"]

MAX_PICTURES = 10_000
_FORMATS = (".png",)
_MIDDLE_GREY = 127
_VALUE_CHARACTERS = 60
"""Most characters of a field's value in a file name: a prompt may be longer than a name can be."""

_NAMES_SHOWN = 10
"""Class names in a message."""


def generate(
    target: Path | str,
    fields: Mapping[str, ArrayLike],
    output: Path | str,
    *,
    variant: str | None = None,
    device: str = "cpu",
    opened: Callable[[Runner], None] = lambda runner: None,
) -> list[Path]:
    """Make images and write them as PNG.

        >>> generate_images("bundles/digits", {"seed": "0-9", "label": 3}, "threes.png")
        [PosixPath('threes.png')]
        >>> len(generate_images("runs/digits", {"seed": range(4), "label": [1, 2, 3, 4]}, "digits"))
        4

    Args:
        target: a run, a bundle, or an endpoint grpc://HOST:PORT/MODEL.
        fields: field name -> text that `parse_inputs` reads, or values that `Runner.generate` takes.
        output: a PNG file for one image or a grid of all images, or a folder for one file per image.
        variant: of a bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".
        opened: called with the runner before it makes pictures.

    Returns:
        The files written.

    Raises:
        UsageError: a value is not allowed, or `output` is neither a PNG file nor a folder.
        LithoError: the target cannot be opened, or its runtime failed.
    """
    output = Path(output)
    if output.suffix and output.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"output {str(output)!r} has ending {output.suffix!r}; give a .png file, or a folder"
        )
    (check_file if output.suffix else check_folder)(output, "--output")
    with open_runner(target, variant, device=device) as runner:
        opened(runner)
        inputs = runner.signature.check(parse_inputs(runner.signature, fields))
        images = runner.generate(**inputs)
    count = len(images)
    if output.suffix:
        write_bytes(output, png(images[0]) if count == 1 else png(picture_grid(images, magnify=1)))
        return [output]
    files = [output / f"{name}.png" for name in _labels({name: inputs[name] for name in fields}, count)]
    for file, image in zip(files, images, strict=True):
        write_bytes(file, png(image))
    return files


def parse_inputs(signature: Signature, values: Mapping[str, ArrayLike]) -> dict[str, Any]:
    """Read fields from text: "7", "1,2,3", "0-99", a class name, a prompt, or a path of images or of an array.

    A path that ends in .npy or .safetensors names a file with values of any field but a text: an array with a batch
    axis in front, or one picture's value. Of several arrays in a file, that with the field's name is taken.
    The path of an image or mask names a file, or a folder whose image files are read in the order of their names.
    `signature.image_files` reads them and resizes them to the field's size. If that size is free, the first image
    gets the nearest allowed size, and all others the same. Mask pixels lighter than middle grey are the hole.
    A single value is used for all images.

    Args:
        signature: of the generator.
        values: field name -> text; values that are not text are returned as they are.

    Raises:
        InvalidInput: the text is not a value of the field, an image cannot be read, a field is unknown, or the
            numbers of values differ.
    """
    fields = {field.name: field for field in signature.inputs}
    if unknown := sorted(set(values) - set(fields)):
        raise InvalidInput(f"unknown field {unknown[0]!r} (known: {', '.join(sorted(fields))})")
    parsed: dict[str, Any] = {}
    size: Size | None = None  # of images whose size is free: the first one sets it
    for name, text in values.items():
        if not isinstance(text, str):
            parsed[name] = text
            continue
        items = _parse(fields[name], text, size)
        size = items.shape[1:3] if fields[name].free else size
        parsed[name] = items[0] if len(items) == 1 else items
    return signature.broadcast(parsed)


def _parse(field: Field, text: str, size: Size | None) -> NDArray[Any]:
    if field.dtype != "BYTES" and names_arrays(text):
        return _read_array(field, Path(text))
    if field.role in (Role.IMAGE, Role.MASK):
        return field.check(_read_images(field, text, size))
    if field.shape:
        raise InvalidInput(
            f"field {field.name!r} takes {field.allowed}, which cannot be text; give a file: {field.name}=NAME.npy"
        )
    items: list[Any] = []
    if field.dtype == "BYTES":
        return field.check(text)  # with its commas and spaces
    for part in text.split(","):
        items.extend(_parse_part(field, part.strip()))
        if len(items) > MAX_PICTURES:
            raise InvalidInput(
                f"{field.name!r} was given more than {MAX_PICTURES} values; give fewer at a time"
            )
    return field.check(np.array(items, dtype=None if field.dtype == "FP32" else field.numpy_dtype))


def _read_array(field: Field, path: Path) -> NDArray[Any]:
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise InvalidInput(f"field {field.name!r}: {error}") from None
    array = next(iter(arrays.values())) if len(arrays) == 1 else arrays.get(field.name)
    if array is None:
        raise InvalidInput(
            f"{path} has no array {field.name!r} (it has: {', '.join(sorted(arrays)) or 'none'})"
        )
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    if array.dtype.kind in "iu" and field.dtype != "FP32" and array.dtype != field.numpy_dtype and array.size:
        held = np.iinfo(field.numpy_dtype)
        if int(array.min()) >= held.min and int(array.max()) <= held.max:
            array = array.astype(field.numpy_dtype)
    values = array[None] if array.ndim == len(field.shape) else array
    if len(values) > MAX_PICTURES:
        raise InvalidInput(
            f"{path} has values for {len(values)} pictures; allowed are at most {MAX_PICTURES}"
        )
    return field.check(values)


def _read_images(field: Field, text: str, size: Size | None) -> NDArray[np.uint8]:
    *sides, channels = field.shape
    images: list[NDArray[np.uint8]] = []
    wanted: Any = (size or partial(_nearest_size, field)) if field.free else tuple(sides)
    try:
        with bombs_are_errors():
            for file in _image_files(field, Path(text)):
                images.append(read_picture(file, str(file), size=wanted, channels=channels))
                wanted = images[0].shape[:2]
    except DataError as error:
        raise InvalidInput(f"field {field.name!r}: {error}") from None
    stacked = np.stack(images)
    return (
        np.where(stacked > _MIDDLE_GREY, np.uint8(255), np.uint8(0)) if field.role is Role.MASK else stacked
    )


def _nearest_size(field: Field, height: int, width: int) -> Size:
    """The nearest allowed size for an image; a too large image shrinks with its proportions."""
    most, _, _ = field.extreme_shapes[1]
    shrunk = max(1.0, max(height, width) / most)
    return field.nearest_side(round(height / shrunk)), field.nearest_side(round(width / shrunk))


def _image_files(field: Field, path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.lower().endswith(SUFFIXES) and file.is_file())
    if not 1 <= len(files) <= MAX_PICTURES:
        raise InvalidInput(
            f"field {field.name!r} was given folder {path} with {len(files)} images; allowed are 1 to {MAX_PICTURES},"
            f" ending in {', '.join(SUFFIXES)}"
        )
    return files


def _parse_part(field: Field, part: str) -> range | list[Any]:
    if field.class_names and part in field.class_names:
        return [field.class_names.index(part)]
    if field.dtype != "FP32" and (match := re.fullmatch(r"(\d+)-(\d+)", part)):
        first, last = _number(field, match[1]), _number(field, match[2])
        if last - first >= MAX_PICTURES or last < first:
            raise InvalidInput(
                f"range {part!r} of {field.name!r} must ascend and have at most {MAX_PICTURES} values; --count makes"
                " any number"
            )
        return range(int(first), int(last) + 1)
    return [_number(field, part)]


def _number(field: Field, text: str) -> float:
    try:
        value = float(text) if field.dtype == "FP32" else int(text)
    except ValueError:
        raise _refused(field, text) from None
    held = (-math.inf, math.inf) if field.dtype == "FP32" else _held_by(field)
    least = held[0] if field.minimum is None else field.minimum
    most = held[1] if field.maximum is None else field.maximum
    if not math.isfinite(value) or not least <= value <= most:
        raise _refused(field, text)
    return value


def _held_by(field: Field) -> tuple[int, int]:
    info = np.iinfo(field.numpy_dtype)
    return int(info.min), int(info.max)


def _refused(field: Field, text: str) -> InvalidInput:
    """A value that the field does not take, in the words of a person who gives text."""
    names = field.class_names or ()
    allowed = "numbers" if field.dtype == "FP32" else "whole numbers"
    if field.minimum is not None:
        allowed = f"{field.minimum:g}" if names else f"{allowed} from {field.minimum:g}"
    if field.maximum is not None:
        allowed += f" to {field.maximum:g}" if field.dtype == "FP32" else f" to {field.maximum}"
    if names and names != tuple(map(str, range(len(names)))):
        listed = names if len(names) <= _NAMES_SHOWN else (*names[:_NAMES_SHOWN], "...")
        allowed += f" ({', '.join(listed)})"
    hint = "" if text.isdecimal() else did_you_mean(text, names)
    return InvalidInput(f"{field.name} {text!r} is invalid; allowed are {allowed}{hint}")


def _labels(inputs: Mapping[str, NDArray[Any]], count: int) -> list[str]:
    """A file name for each row, made of its values, or of the row's number for an array such as an image.

    Rows of the same name get their number appended.
    """
    names = [
        "_".join(
            f"{name}-{str(array[row])[:_VALUE_CHARACTERS] if array.ndim == 1 else row}"
            for name, array in inputs.items()
        )
        for row in range(count)
    ]
    names = [re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:200] for name in names]
    uses = Counter(names)
    return [f"{name}_{row}" if uses[name] > 1 else name for row, name in enumerate(names)]
