"""From the words of a request to the fields of a model's signature.

A name of the request is the name of a field, or the role of one: `seed`, `label`, `steps`, `guidance`, `truncation`,
`latent`, `prompt`. What the model has no field for is refused, and the error names it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ...signature import Signature
from ...signature.fields import Field, Role
from .errors import ApiError, refused
from .image_request import FormText, ImageRequest

__all__ = ["BLANKS", "allowed_signature", "checked_fields", "field_of", "label_of"]

Row = dict[str, NDArray[Any]]
"""Field name -> checked array with a batch axis of length 1."""

_BY_ROLE = tuple(
    role.value for role in (Role.SEED, Role.LATENT, Role.LABEL, Role.STEPS, Role.GUIDANCE, Role.TRUNCATION)
)
_PICTURES = (Role.IMAGE, Role.MASK)
BLANKS = " \t\r\n"
"""A prompt of nothing else says nothing."""

_MOST_LISTED = 20
_MOST_DIGITS = 18


def field_of(signature: Signature, name: str) -> Field | None:
    """The input that a name of a request means, or None."""
    for field in signature.inputs:
        if field.name == name:
            return field
    return signature.field(Role(name)) if name in _BY_ROLE else None


def checked_fields(
    signature: Signature, request: ImageRequest, model: str, *, most_steps: int | None = None
) -> Row:
    """The values of one picture, without its seed if none is given, and without the pictures that it is made from.

    Args:
        signature: of the model.
        request: what was asked for.
        model: its name, for messages.
        most_steps: most steps of a picture; None for what the model allows.

    Raises:
        ApiError: 400, the model has no such field, or a value is not allowed.
    """
    row: Row = {}
    for name, value in request.fields.items():
        field = field_of(signature, name)
        if field is None or field.role in _PICTURES:
            raise _unknown(signature, name, model)
        if field.name in row:
            raise refused("the field is given twice, by its name and by its role", name)
        row[field.name] = _checked(field, value, name)
    _add_prompt(signature, request.prompt, row, model)
    steps = signature.field(Role.STEPS)
    if steps is not None and most_steps is not None:
        _cap_steps(steps, row, most_steps)
    for field in signature.inputs:
        optional = field.default is not None or field.role is Role.SEED or field.role in _PICTURES
        if field.name not in row and not optional:
            raise refused(f"'{field.name}' is missing; it takes {field.allowed}", field.name)
    return row


def allowed_signature(signature: Signature, most_steps: int | None) -> Signature:
    """The signature of a model as a gateway takes it: with its limit of steps, which a larger default gives way to.

    Args:
        signature: of the model.
        most_steps: most steps of a picture; None for what the model allows.
    """
    steps = signature.field(Role.STEPS)
    if steps is None or most_steps is None or (steps.maximum is not None and steps.maximum <= most_steps):
        return signature
    lower: dict[str, Any] = {"maximum": max(most_steps, int(steps.minimum or 1))}
    if steps.default is not None and int(steps.default) > most_steps:
        lower["default"] = most_steps
    inputs = [field.model_copy(update=lower) if field == steps else field for field in signature.inputs]
    return Signature(inputs=tuple(inputs), output=signature.output)


def label_of(field: Field, value: Any) -> Any:
    """The number of the class that a name or a number in a text stands for; what is no text stays as it is.

    Raises:
        ApiError: 400, there is no such class.
    """
    names = field.class_names or ()
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in names:
        return names.index(text)
    folded = [name.casefold() for name in names]
    if text.casefold() in folded:
        return folded.index(text.casefold())
    if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    listed = ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")
    raise refused(f"no class has this name; there are: {listed or f'0 to {field.maximum}'}", "label")


def _add_prompt(signature: Signature, prompt: str | None, row: Row, model: str) -> None:
    field, label = signature.field(Role.PROMPT), signature.field(Role.LABEL)
    if field is not None:
        if prompt is not None:
            row[field.name] = _checked(field, prompt, "prompt")
    elif not prompt or not prompt.strip(BLANKS):
        return  # OpenAI's clients cannot leave it out
    elif label is None:
        raise refused(f"model {model!r} takes no prompt; send an empty one", "prompt")
    elif label.name in row:
        raise refused("the prompt would name a class too; send an empty one beside 'label'", "prompt")
    else:
        row[label.name] = _checked(label, _named(label, prompt), "prompt")


def _named(label: Field, prompt: str) -> Any:
    try:
        return label_of(label, prompt)
    except ApiError as error:
        raise refused(f"the prompt of this model is a class: {error}", "prompt") from None


def _checked(field: Field, value: Any, name: str) -> NDArray[Any]:
    if field.role is Role.LABEL:
        value = label_of(field, value)
    if isinstance(value, FormText) and field.dtype != "BYTES":
        value = _from_text(value, name)
    if field.dtype == "INT64" and isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # in JSON 1.0 is a whole number
    try:
        if field.dtype == "BYTES":
            return field.check([value])
        if field.dtype != "FP32":
            return field.check(_numbers(field, value, name))
        with np.errstate(over="ignore"):  # what FP32 does not hold becomes infinite, which the check refuses
            return field.check(_numbers(field, value, name))
    except InvalidInput as error:
        raise refused(str(error), name) from None


def _numbers(field: Field, value: Any, name: str) -> NDArray[Any]:
    """A batch of one; what is no number is refused without being repeated, as it may be anything."""
    try:
        array = np.asarray([value])
    except (ValueError, OverflowError):
        array = np.empty(0, object)
    if array.dtype.kind not in "iuf":
        raise refused(f"{name!r} was given another value than it takes: {field.allowed}", name)
    if field.dtype == "UINT8" and array.dtype.kind == "i" and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return array


def _from_text(text: str, name: str) -> Any:
    """A value of a form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, int | float | list) and not isinstance(value, bool):
        return value
    raise refused(f"{name!r} is no number", name)


def _cap_steps(steps: Field, row: Row, most: int) -> None:
    if steps.name in row and row[steps.name].max() > most:
        raise refused(f"'steps' was given {row[steps.name].max()}; allowed are at most {most}", "steps")
    if steps.name not in row and steps.default is not None and int(steps.default) > most:
        row[steps.name] = np.asarray([most], np.int64)


def _unknown(signature: Signature, name: str, model: str) -> Exception:
    taken = [field.name for field in signature.inputs if field.role not in _PICTURES]
    shown = name if name.isascii() and name.isprintable() and len(name) <= 64 else "this field"
    known = f"it takes: {', '.join(taken)}" if taken else "it has no fields of its own"
    return refused(f"model {model!r} takes no {shown!r}; {known}", name[:64])
