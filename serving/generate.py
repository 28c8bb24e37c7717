"""Pictures from any artefact to image files: from a run, a bundle or an endpoint, by one command."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InvalidInput, UsageError
from ..files import write_bytes
from ..reporting import picture_grid, png
from ..runners import open_runner
from ..signature import Signature
from ..signature.fields import Field, Role, Size
from ..signature.image_files import SUFFIXES, bombs_are_errors, read_picture

__all__ = ["generate", "parse_inputs"]

MAX_PICTURES = 10_000
_BATCH = 64
_FORMATS = (".png",)
_MIDDLE_GREY = 127
_VALUE_CHARACTERS = 60
"""Of a field's value in a file's name: a prompt may be longer than a name can be."""


def generate(
    target: Path | str,
    values: Mapping[str, str],
    output: Path,
    *,
    variant: str | None = None,
    device: str = "cpu",
) -> list[Path]:
    """Make pictures and write them as PNG.

    Args:
        target: a run, a bundle, or an endpoint such as grpc://127.0.0.1:8001/name.
        values: field name -> text as `parse_inputs` reads it.
        output: a PNG file, which holds one picture or a grid of all; or a folder, which gets one file a picture.
        variant: of a bundle, as `runners.choose_variants` takes it.
        device: "cpu" or "cuda".

    Returns:
        The files written.

    Raises:
        UsageError: a value is not allowed, or `output` is neither a PNG file nor a folder.
    """
    if output.suffix and output.suffix.lower() not in _FORMATS:
        raise UsageError(
            f"output {str(output)!r} has ending {output.suffix!r}; give a .png file, or a folder"
        )
    with open_runner(target, variant, device=device) as runner:
        inputs = runner.signature.check(parse_inputs(runner.signature, values))
        count = len(next(iter(inputs.values())))
        name = runner.signature.output.name
        parts = [
            runner.run({field: array[start : start + _BATCH] for field, array in inputs.items()})[name]
            for start in range(0, count, _BATCH)
        ]
    images = np.concatenate(parts)
    if output.suffix:
        write_bytes(output, png(images[0]) if count == 1 else png(picture_grid(images, magnify=1)))
        return [output]
    files = [output / f"{name}.png" for name in _labels({name: inputs[name] for name in values}, count)]
    for file, image in zip(files, images, strict=True):
        write_bytes(file, png(image))
    return files


def parse_inputs(signature: Signature, values: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """Read fields from text: "7", "1,2,3", "0-99", a class name, a prompt, or where images lie.

    An image or a mask is given by the path of a file, or of a folder, whose image files count in the order of their
    names. `pictures` says how they are read and brought to the field's size; where that is free, the first one is
    brought to the nearest allowed size, and all others to that. Of a mask, what is lighter than middle grey is the
    hole. One value serves every picture.

    Args:
        signature: of the generator.
        values: field name -> text.

    Raises:
        InvalidInput: the text is no value of the field, an image cannot be read, a field is unknown, or the numbers
            of values differ.
    """
    fields = {field.name: field for field in signature.inputs}
    if unknown := sorted(set(values) - set(fields)):
        raise InvalidInput(f"unknown field {unknown[0]!r} (known: {', '.join(sorted(fields))})")
    parsed: dict[str, Any] = {}
    size: Size | None = None  # of pictures whose size is free: the first one's is that of all
    for name, text in values.items():
        parsed[name] = _parse(fields[name], text, size)
        size = parsed[name].shape[1:3] if fields[name].free else size
    counts = {name: len(items) for name, items in parsed.items() if len(items) != 1}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} for {name!r}" for name, count in counts.items())
        raise InvalidInput(f"given were {listed}; give as many values for each, or one")
    count = max(counts.values(), default=1)
    return {
        name: np.repeat(items, count, axis=0) if len(items) == 1 else items for name, items in parsed.items()
    }


def _parse(field: Field, text: str, size: Size | None) -> NDArray[Any]:
    if field.role in (Role.IMAGE, Role.MASK):
        return field.check(_read_images(field, text, size))
    if field.shape:
        raise InvalidInput(
            f"field {field.name!r} takes {field.allowed}; give it through the Python interface"
        )
    items: list[Any] = []
    if field.dtype == "BYTES":
        return field.check(text)  # commas and spaces are part of it
    for part in text.split(","):
        items.extend(_parse_part(field, part.strip()))
        if len(items) > MAX_PICTURES:
            raise InvalidInput(
                f"{field.name!r} was given more than {MAX_PICTURES} values; ask for fewer at a time"
            )
    return field.check(np.array(items, dtype=object if _huge(items) else None))


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
    """The allowed size for a picture; one that is too large is made smaller, as near to its proportions as can be."""
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
    if field.dtype == "INT64" and (match := re.fullmatch(r"(\d+)-(\d+)", part)):
        first, last = int(match[1]), int(match[2])
        if last - first >= MAX_PICTURES or last < first:
            raise InvalidInput(
                f"range {part!r} of {field.name!r} must ascend and have at most {MAX_PICTURES} values"
            )
        return range(first, last + 1)
    try:
        return [int(part) if field.dtype == "INT64" else float(part)]
    except ValueError:
        names = f" or one of {', '.join(field.class_names)}" if field.class_names else ""
        raise InvalidInput(
            f"field {field.name!r} was given {part!r}; allowed is {field.allowed}{names}"
        ) from None


def _huge(items: list[Any]) -> bool:
    return any(isinstance(item, int) and not -(2**63) <= item < 2**63 for item in items)


def _labels(inputs: Mapping[str, NDArray[Any]], count: int) -> list[str]:
    """A file's name for each row, made of its values; the row's number stands for an array, such as an image.

    It is added where two would share one.
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
