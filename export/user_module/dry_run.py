"""A user's module run a few times before it is exported, for a message that says more than a failed gate."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...errors import ExportError
from ...signature import Signature
from ...training.data.pixels import to_pixels
from ...training.networks.pixel_model import PixelModel
from .diagnosis import Watch, depends_on_values, explain, non_finite_part

__all__ = ["try_other_size", "try_out"]

_TRIAL_BATCH = 3
"""Neither one nor a power of two: a size that a module has built in is hardly this."""


@torch.no_grad()  # inference mode would hide from the watch what composite operators do
def try_out(picture: PixelModel) -> None:
    """Run a picture on example inputs.

    Raises:
        ExportError: it fails, draws random numbers of its own, gives something else than its signature says or values
            that are not finite, or makes a picture depend on its batch or on what was made before.
    """
    examples = picture.signature.example(_TRIAL_BATCH)
    inputs = {name: torch.from_numpy(array) for name, array in examples.items()}
    watch = Watch(picture)
    images = _run(picture, inputs, watch)
    wrong = _wrong_shape(images, picture.signature)
    if wrong is None:
        _check_values(images, picture, inputs)
        again = _run(picture, inputs, watch)
        alone = _run(picture, {name: tensor[-1:] for name, tensor in inputs.items()}, watch)
        wrong = _wrong_again(images, again, alone)
    if wrong is not None:
        # A branch on values of the whole batch explains any of these.
        raise ExportError(wrong if watch.read is None else depends_on_values(watch.read))


@torch.no_grad()
def try_other_size(picture: PixelModel) -> None:
    """Run a picture whose size is free, and that passes at the usual one, at the smallest.

    Raises:
        ExportError: it fails, or gives a picture of another size than its signature says.
    """
    source = picture.signature.sized_by
    assert source is not None, "of a picture whose size is free"
    least, *_ = source.extreme_shapes[0]
    signature = picture.signature.with_size(least, least)
    inputs = [torch.from_numpy(array) for array in signature.example(_TRIAL_BATCH).values()]
    hint = (
        "the size is built in: take it from the input as x.shape[2:], or leave 'sides' out of the signature"
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
        cause = (
            _other_batches(picture, inputs) if watch.read is None else f"; {depends_on_values(watch.read)}"
        )
        raise ExportError(
            f"the module fails on a batch of {count}: {explain(error, picture)}{cause}"
        ) from error


def _other_batches(picture: PixelModel, inputs: Mapping[str, Tensor]) -> str:
    """What to say of a module that fails on these inputs, but not on fewer or more of them."""
    for count in (1, 2, 4, 8, 16):
        rows = torch.arange(count) % _TRIAL_BATCH
        try:
            picture.images(*(tensor[rows] for tensor in inputs.values()))
        except Exception:  # noqa: S112 - it fails on this one too
            continue
        return f"; a batch of {count} passes: the size is built in, take it from the input as x.shape[0]"
    return ""


def _check_values(images: Tensor, picture: PixelModel, inputs: Mapping[str, Tensor]) -> None:
    if not images.isfinite().all():
        name = non_finite_part(picture, lambda: picture.images(*inputs.values()))
        where = f"; the first part whose output is not finite is {name!r}" if name else ""
        raise ExportError(f"the module gives NaN or infinite values{where}")


def _wrong_shape(images: Tensor, signature: Signature) -> str | None:
    height, width, channels = signature.output.usual_shape
    wanted = (_TRIAL_BATCH, channels, height, width)
    if images.dtype != torch.float32:
        return f"the module gives {str(images.dtype).removeprefix('torch.')}; it must give float32"
    if tuple(images.shape) == wanted:
        return None
    hint = ""
    if tuple(images.shape) == (_TRIAL_BATCH, height, width, channels):
        hint = "; put the channels in second place by .permute(0, 3, 1, 2)"
    elif images.ndim == 4 and len(images) != _TRIAL_BATCH:
        hint = "; the batch size is built in, take it from the input as x.shape[0]"
    return (
        f"for a batch of {_TRIAL_BATCH} the module gives shape {tuple(images.shape)}; the signature's output is"
        f" (batch, channels, height, width) = {wanted}{hint}"
    )


def _wrong_again(images: Tensor, again: Tensor, alone: Tensor) -> str | None:
    """What is wrong with the same pictures made once more, and with the last of them made alone."""
    if not torch.equal(images, again):
        return (
            f"the module gives another picture each time (by up to {_levels(images, again)} grey levels); it must have"
            " no state, and take its noise as an argument"
        )
    if (levels := _levels(images[-1:], alone)) > 1:
        return (
            f"a picture changes by up to {levels} grey levels with the pictures beside it; no layer may mix the batch,"
            " as statistics over the batch do"
        )
    return None


def _levels(first: Tensor, second: Tensor) -> int:
    return int((to_pixels(first).int() - to_pixels(second).int()).abs().max())
