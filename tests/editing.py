"""A model that edits: where the mask is a hole it inverts the source, and elsewhere it keeps it."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from litho.runners.triton import ServedModel
from litho.signature import Signature
from litho.signature.fields import image_output, mask_field, source_field

SIDE = 16
SIGNATURE = Signature(
    inputs=(source_field(SIDE, SIDE, 3), mask_field(SIDE, SIDE)), output=image_output(SIDE, SIDE, 3)
)

MODEL = """
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        source, mask = (pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in ("source", "mask"))
        image = np.ascontiguousarray(np.where(mask > 0, 255 - source, source))
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", image)])
"""


def write_model(repository: Path, name: str = "restore") -> Path:
    """Write the model into a repository, of which it is the only version."""
    config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=8)
    for field in SIGNATURE.inputs:
        config.input.add(name=field.name, data_type=model_config_pb2.TYPE_UINT8, dims=field.shape)
    config.output.add(name="image", data_type=model_config_pb2.TYPE_UINT8, dims=SIGNATURE.output.shape)
    served = ServedModel(
        signature=SIGNATURE, bundle=name, variant="generator.fp32.onnx", checkpoint_sha256="1" * 64
    )
    for key, text in served.to_parameters().items():
        config.parameters[key].string_value = text
    folder = repository / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.py").write_text(MODEL)
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
    return folder
