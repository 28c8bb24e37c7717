"""Run a user's module a few times before its export: the messages are clearer than those of a failed gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ...errors import ExportError
from ...signature import Signature
from ...training.data.pixels import to_pixels
from ...training.networks.pixel_model import PixelModel
from .code_location import authored
from .diagnosis import Watch, depends_on_values, explain, non_finite_part

__all__ = ["try_other_size", "try_out"]

_TRIAL_BATCH = 3
"""Neither one nor a power of two, which hard-coded batch sizes usually are."""
_LAYOUT = "view size is not compatible"
"""What torch says of `.view` on a tensor whose values do not lie one behind the other."""


@torch.no_grad()  # inference mode would hide the parts of composite operators from the watch
def try_out(picture: PixelModel) -> None:
    """Run a model on example inputs.

    Raises:
        ExportError: it fails, draws random numbers, returns another shape or dtype than its signature says, or values
            that are not finite, or makes a picture depend on its batch or on earlier calls.
    """
    examples = picture.signature.example(_TRIAL_BATCH)
    inputs = {name: torch.from_numpy(array) for name, array in examples.items()}
    watch, state = Watch(picture), _state(picture)
    images = _run(picture, inputs, watch)
    _check_untouched(picture.signature, inputs)
    _check_precision(watch)
    wrong = _wrong_dtype(images.dtype, watch) or _wrong_shape(images, picture.signature)
    if wrong is None:
        _check_values(images, picture, inputs)
        again = _run_without_gradients(picture, inputs)
        alone = _run(picture, {name: tensor[-1:] for name, tensor in inputs.items()}, watch)
        wrong = _wrong_again(images, again, alone, _changed(picture, state))
    if wrong is not None:
        # A branch on tensor values can cause any of these.
        raise ExportError(wrong if watch.read is None else depends_on_values(watch.read))


@torch.no_grad()
def try_other_size(picture: PixelModel) -> None:
    """Run a model of free size, which passed at the usual size, at the smallest.

    Raises:
        ExportError: it fails, or returns a picture of another size than its signature says.
    """
    source = picture.signature.sized_by
    assert source is not None, "the size of the model is free"
    least, *_ = source.extreme_shapes[0]
    signature = picture.signature.with_size(least, least)
    inputs = [torch.from_numpy(array) for array in signature.example(_TRIAL_BATCH).values()]
    hint = (
        "the size is hard-coded: take it from the input as x.shape[2:], or leave 'sides' out of the signature"
    )
    try:
        images = picture.images(*inputs)
    except Exception as error:
        cause = explain(error, picture)
        raise ExportError(
            f"the module fails on pictures of {least}x{least} that 'sides' allows: {cause}; {hint}"
        ) from error
    if (wrong := _wrong_shape(images, signature)) is not None:
        raise ExportError(f"for pictures of {least}x{least} {wrong}; {hint}")


def _run(picture: PixelModel, inputs: Mapping[str, Tensor], watch: Watch) -> Tensor:
    try:
        with watch:
            return picture.images(*inputs.values())
    except ExportError:
        raise
    except Exception as error:
        count = len(next(iter(inputs.values())))
        layout = _LAYOUT in str(error)  # of one tensor: whether it fits may depend on the batch
        cause = "" if layout else _other_batches(picture, inputs)
        if watch.read is not None:
            cause = f"; {depends_on_values(watch.read)}"
        raise ExportError(
            f"the module fails on a batch of {count}: {explain(error, picture)}{cause}"
        ) from error


def _run_without_gradients(picture: PixelModel, inputs: Mapping[str, Tensor]) -> Tensor:
    try:
        with torch.inference_mode():
            return picture.images(*inputs.values())
    except Exception as error:
        raise ExportError(
            f"the module fails where no gradients are computed: {explain(error, picture)}; a graph computes none, so"
            " write out in 'forward' what it takes from them"
        ) from error


def _state(picture: PixelModel) -> dict[str, tuple[Tensor, int]]:
    """Name of each buffer -> it, and how often it was changed in place."""
    buffers = authored(picture).named_buffers()
    return {name: (one, 0 if one.is_inference() else one._version) for name, one in buffers}


def _changed(picture: PixelModel, before: Mapping[str, tuple[Tensor, int]]) -> list[str]:
    """Names of the buffers that were changed or replaced since."""
    return [
        name
        for name, (one, version) in _state(picture).items()
        if name in before and (one is not before[name][0] or version != before[name][1])
    ]


def _other_batches(picture: PixelModel, inputs: Mapping[str, Tensor]) -> str:
    """Message if the module fails on this batch size, but passes on another."""
    for count in (1, 2, 4, 8, 16):
        rows = torch.arange(count) % _TRIAL_BATCH
        try:
            picture.images(*(tensor[rows] for tensor in inputs.values()))
        except Exception:  # noqa: S112 - this batch size fails too
            continue
        return f"; a batch of {count} passes: the size is hard-coded, take it from the input as x.shape[0]"
    return ""


def _check_values(images: Tensor, picture: PixelModel, inputs: Mapping[str, Tensor]) -> None:
    if not images.isfinite().all():
        name = non_finite_part(picture, lambda: picture.images(*inputs.values()))
        where = f"; the first part whose output is not finite is {name!r}" if name else ""
        raise ExportError(f"the module returns NaN or infinite values{where}")


def _check_untouched(signature: Signature, inputs: Mapping[str, Tensor]) -> None:
    """Refuse a module that works in place on what it is given, which a graph cannot."""
    for name, array in signature.example(_TRIAL_BATCH).items():
        if not torch.equal(torch.from_numpy(array), inputs[name]):
            raise ExportError(
                f"the module changes its input {name!r} in place; work on a copy, such as x = x * 2 for x.mul_(2)"
            )


def _check_precision(watch: Watch) -> None:
    """Refuse arithmetic of less than FP32: the module's pictures are the reference of all precisions."""
    for dtype, where in watch.made.items():
        if dtype.is_floating_point and dtype.itemsize < torch.float32.itemsize:
            name = str(dtype).removeprefix("torch.")
            raise ExportError(
                f"the module computes in {name}{where}; it must compute in float32: remove torch.autocast, or the cast"
                f" to {name}; --precision lowers the graph, and proves it"
            )


def _wrong_dtype(dtype: torch.dtype, watch: Watch) -> str | None:
    if dtype == torch.float32:
        return None
    name = str(dtype).removeprefix("torch.")
    remedy = "take the real part, or the magnitude by .abs()" if dtype.is_complex else "call .float() on it"
    where = watch.made.get(dtype, "")
    return f"the module returns {name}, which it computes first{where}; it must return float32: {remedy}"


def _wrong_shape(images: Tensor, signature: Signature) -> str | None:
    height, width, channels = signature.output.usual_shape
    wanted = (_TRIAL_BATCH, channels, height, width)
    if tuple(images.shape) == wanted:
        return None
    hint = ""
    if tuple(images.shape) == (_TRIAL_BATCH, height, width, channels):
        hint = "; put the channels in second place by .permute(0, 3, 1, 2)"
    elif images.ndim == 4 and len(images) != _TRIAL_BATCH:
        hint = "; the batch size is hard-coded, take it from the input as x.shape[0]"
    return (
        f"for a batch of {_TRIAL_BATCH} the module returns shape {tuple(images.shape)}; the signature's output is"
        f" (batch, channels, height, width) = {wanted}{hint}"
    )


def _wrong_again(images: Tensor, again: Tensor, alone: Tensor, changed: Sequence[str]) -> str | None:
    """Compare pictures with a second call of the same inputs, and the last one with a call of its own."""
    if not torch.equal(images, again):
        state = f", and 'forward' changes the buffer {changed[0]!r}" if changed else ""
        return (
            f"two calls with the same inputs give different pictures (by up to {_levels(images, again)} grey"
            f" levels){state}; the module must be stateless and take its noise as an argument"
        )
    if (levels := _levels(images[-1:], alone)) > 1:
        return (
            f"a picture changes by up to {levels} grey levels with the other pictures of its batch; remove layers that"
            " mix the batch, such as batch statistics"
        )
    return None


def _levels(first: Tensor, second: Tensor) -> int:
    return int((to_pixels(first).int() - to_pixels(second).int()).abs().max())
