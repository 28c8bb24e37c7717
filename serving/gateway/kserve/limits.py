"""Limits of a gateway on requests of tensors: pictures, steps and pixels, like those of every other path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from ....errors import InvalidInput
from ....signature import Signature
from ....signature.fields import Role
from ..served_models import Served
from ..settings import GatewaySettings

__all__ = ["check_limits", "most_rows"]


def most_rows(served: Served, settings: GatewaySettings) -> int:
    """Largest batch of one request."""
    return min(served.client.max_batch_size, settings.most_pictures)


def check_limits(inputs: Mapping[str, NDArray[Any]], signature: Signature, settings: GatewaySettings) -> None:
    """Refuse what the model would do, and this gateway does not let anybody ask for.

    Args:
        inputs: checked, as from `Signature.check`.
        signature: of the model.
        settings: of the gateway.

    Raises:
        InvalidInput: more steps than the gateway allows, or a larger picture.
    """
    for field in signature.inputs:
        array = inputs[field.name]
        if field.role is Role.STEPS and settings.most_steps is not None and array.max() > settings.most_steps:
            raise InvalidInput(
                f"input {field.name!r} was given {array.max()}; this gateway allows {settings.most_steps}"
            )
        if field.role in (Role.IMAGE, Role.MASK):
            height, width = array.shape[1:3]
            if height * width > settings.most_upload_pixels:
                raise InvalidInput(
                    f"input {field.name!r} was given {height}x{width} pixels; this gateway allows"
                    f" {settings.most_upload_pixels}"
                )
