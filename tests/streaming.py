"""A model that answers in streams, and does what its seeds say: what a real engine does only when it fails."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from litho.runners.triton import ServedModel
from litho.signature import Signature
from litho.signature.fields import Field, Role, seed_field

SILENT, SHORT, REFUSED = 1_000_001, 1_000_002, 1_000_003
"""Seeds of rows: one is never answered, the stream of one ends without it, one is refused."""

SIDE = 4
SIGNATURE = Signature(
    inputs=(
        seed_field(),
        Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=10**6, default=4),
    ),
    output=Field(name="image", role=Role.IMAGE, dtype="UINT8", shape=(SIDE, SIDE, 1), minimum=0, maximum=255),
)

MODEL = f"""
import json, threading, time
import numpy as np
import triton_python_backend_utils as pb_utils

def images(seeds, steps):
    return np.repeat(((seeds + steps) % 256).astype(np.uint8), {SIDE * SIDE}).reshape(-1, {SIDE}, {SIDE}, 1)

class TritonPythonModel:
    def initialize(self, args):
        self.home = args["model_repository"]
        self.streams = json.loads(args["model_config"])["model_transaction_policy"]["decoupled"]

    def execute(self, requests):
        if not self.streams:
            return [self.whole(request) for request in requests]
        for request in requests:
            threading.Thread(target=self.answer, args=(request, request.get_response_sender()), daemon=True).start()

    def whole(self, request):
        seeds, steps = self.inputs(request)
        return pb_utils.InferenceResponse([pb_utils.Tensor("image", images(seeds, steps))])

    def inputs(self, request):
        return [pb_utils.get_input_tensor_by_name(request, name).as_numpy().ravel() for name in ("seed", "steps")]

    def answer(self, request, sender):
        with open(self.home + "/started", "a") as file:
            file.write("1")
        seeds, steps = self.inputs(request)
        every = json.loads(request.parameters()).get("preview_every", 0)
        final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
        if {REFUSED} in seeds:
            error = pb_utils.TritonError("field 'seed' was given a value", pb_utils.TritonError.INVALID_ARG)
            return sender.send(pb_utils.InferenceResponse(error=error), final)
        for step in range(1, steps.max() + 1):
            for row in np.flatnonzero((steps == step) | ((every > 0) & (step % max(every, 1) == 0) & (step < steps))):
                if seeds[row] not in ({SILENT}, {SHORT}):
                    made = [images(seeds[row:row + 1], np.array([step])), np.array([row]), np.array([step])]
                    tensors = [pb_utils.Tensor(*pair) for pair in zip(("image", "row", "step"), made)]
                    sender.send(pb_utils.InferenceResponse(tensors))
            time.sleep(1e-3)
            if self.left(sender):
                return sender.send(flags=final)
        while {SILENT} in seeds and not self.left(sender):
            time.sleep(5e-2)  # whoever asks holds a lock of Triton: a process that is killed then ends the server
        sender.send(flags=final)

    def left(self, sender):
        if sender.is_cancelled():
            with open(self.home + "/cancelled", "a") as file:
                file.write("1")
            return True
"""


def write_model(
    repository: Path,
    name: str = "sketch",
    *,
    decoupled: bool = True,
    parameters: dict[str, str] | None = None,
) -> Path:
    """Write the model into a repository, of which it is the only version; its folder gets a byte in the file
    "cancelled" for every request that was cancelled.
    """
    config = model_config_pb2.ModelConfig(name=name, backend="python", max_batch_size=8)
    for field in SIGNATURE.inputs:
        config.input.add(name=field.name, data_type=model_config_pb2.TYPE_INT64, dims=[1])
    image = SIGNATURE.output
    config.output.add(name="image", data_type=model_config_pb2.TYPE_UINT8, dims=image.shape)
    for extra in ("row", "step") if decoupled else ():
        config.output.add(name=extra, data_type=model_config_pb2.TYPE_INT64, dims=[1])
    config.model_transaction_policy.decoupled = decoupled
    served = ServedModel(signature=SIGNATURE, bundle=name, variant="sketch.fp32", checkpoint_sha256="0" * 64)
    for key, text in {**served.to_parameters(), **(parameters or {})}.items():
        config.parameters[key].string_value = text
    folder = repository / name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "1" / "model.py").write_text(MODEL)
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
    return folder


def expected(seed: int, step: int) -> int:
    """The grey of a picture after a step."""
    return (seed + step) % 256


def cancelled_requests(repository: Path, name: str = "sketch") -> int:
    """How many requests of a model the server has learned are cancelled."""
    file = repository / name / "cancelled"
    return file.stat().st_size if file.exists() else 0


def begun_requests(repository: Path, name: str = "sketch") -> int:
    """How many requests a model that answers in streams has begun with."""
    file = repository / name / "started"
    return file.stat().st_size if file.exists() else 0
