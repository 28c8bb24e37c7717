"""A model that shows what it was sent: the picture with the hole of its mask painted, or twice as large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from litho.runners.triton import ServedModel
from litho.signature import Signature
from litho.signature.fields import image_output, mask_field, seed_field, source_field

MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        get = lambda name: getattr(pb_utils.get_input_tensor_by_name(request, name), "as_numpy", lambda: None)()
        source, mask, seed = get("source"), get("mask"), get("seed")
        if mask is not None:
            source = np.where(mask > 0, (seed % 256).astype(np.uint8)[:, :, None, None], source)
        else:
            source = source.repeat(2, 1).repeat(2, 2)
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", np.ascontiguousarray(source))])
"""

FILLED = Signature(
    inputs=(seed_field(), source_field(6, 8, 3), mask_field(6, 8)), output=image_output(6, 8, 3)
)
"""Of the model "filled": the hole has the grey `seed % 256`."""

LARGER = Signature(inputs=(source_field(8, 8, 3),), output=image_output(16, 16, 3)).with_free_size(4, 64, 4)
"""Of the model "larger": pictures of any size, twice as large."""


def filled(seed: int, source: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What the model "filled" makes."""
    return np.where(mask > 0, np.uint8(seed % 256), source)


def write_echo(repository: Path, name: str, signature: Signature) -> Path:
    """Write the model into a repository, of which it is the only version."""
    config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=8)
    kinds = {"INT64": model_config_pb2.TYPE_INT64, "UINT8": model_config_pb2.TYPE_UINT8}
    for field in signature.inputs:
        config.input.add(name=field.name, data_type=kinds[field.dtype], dims=field.shape or (1,))
    output = signature.output
    config.output.add(name=output.name, data_type=kinds[output.dtype], dims=output.shape)
    served = ServedModel(signature=signature, bundle=name, variant="echo.fp32", checkpoint_sha256=name * 8)
    for key, text in served.to_parameters().items():
        config.parameters[key].string_value = text
    folder = repository / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.py").write_text(MODEL)
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
    return folder
