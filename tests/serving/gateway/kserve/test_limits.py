"""Limits of the gateway, below those of the model."""

import numpy as np
import pytest

from litho.errors import InvalidInput
from litho.serving.gateway.kserve.limits import check_limits
from litho.serving.gateway.settings import GatewaySettings
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, source_field

SIGNATURE = Signature(
    inputs=(
        source_field(6, 5, 1),
        Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=64, default=8),
    ),
    output=image_output(6, 5, 1),
)


def test_steps_and_pixels_have_limits_of_their_own() -> None:
    inputs = SIGNATURE.check({"source": np.zeros((2, 6, 5, 1), np.uint8), "steps": [4, 9]})
    free = GatewaySettings(server="grpc://h:1")
    check_limits(inputs, SIGNATURE, free)
    check_limits(inputs, SIGNATURE, free.model_copy(update={"most_steps": 9, "most_upload_pixels": 30}))
    with pytest.raises(InvalidInput, match="'steps' was given 9; this gateway allows 8"):
        check_limits(inputs, SIGNATURE, free.model_copy(update={"most_steps": 8}))
    with pytest.raises(InvalidInput, match="'source' was given 6x5 pixels; this gateway allows 29"):
        check_limits(inputs, SIGNATURE, free.model_copy(update={"most_upload_pixels": 29}))
