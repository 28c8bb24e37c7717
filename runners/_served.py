"""What a server says of a model: the facts that `litho deploy` stored with it, and the server's counters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..bundle.manifest import Grade
from ..signature import GeneratorSignature, Signature

__all__ = ["ACCEPTED_PARAMETER", "PUBLIC_KEY_PARAMETER", "ServedModel", "ServerStatistics"]

_PARAMETER_PREFIX = "litho_"
ACCEPTED_PARAMETER = f"{_PARAMETER_PREFIX}accepted_failed"
PUBLIC_KEY_PARAMETER = f"{_PARAMETER_PREFIX}public_key"
"""Parameter of a configuration with a public key: model.py loads only a bundle signed with it."""

_LOOPBACK = ("127.", "localhost", "[::1]")


class ServedModel(BaseModel):
    """Facts of a deployed model, stored in the parameters of its configuration.

    Args:
        signature: inputs and output.
        bundle: name of the bundle that it was deployed from.
        variant: name of the bundle's variant; of several stages, names separated by commas.
        checkpoint_sha256: hash of the weights.
        precision: of the variant; of several stages in different ones, each, separated by commas; empty if unknown.
        grade: what its pictures promise.
        accepted_failed: True if it was deployed although its variant failed the gate, or without a proof.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    signature: GeneratorSignature
    bundle: str
    variant: str
    checkpoint_sha256: str
    precision: str = ""
    grade: Grade = "same picture"
    accepted_failed: bool = False

    def to_parameters(self) -> dict[str, str]:
        """The string parameters of a Triton model configuration."""
        signature = self.signature.model_dump_json(exclude_defaults=True)
        rest = self.model_dump(mode="json", exclude={"signature"})
        texts = {key: value if isinstance(value, str) else str(value).lower() for key, value in rest.items()}
        return {f"{_PARAMETER_PREFIX}{key}": text for key, text in {"signature": signature, **texts}.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ServedModel:
        """Read the parameters of a model configuration; parameters of other tools are ignored.

        Raises:
            pydantic.ValidationError: litho did not deploy the model.
        """
        own = {
            key.removeprefix(_PARAMETER_PREFIX): text
            for key, text in parameters.items()
            if key.startswith(_PARAMETER_PREFIX)
        }
        signature = Signature.model_validate_json(own.pop("signature", ""))
        return cls.model_validate({**own, "signature": signature})


@dataclass(frozen=True)
class ServerStatistics:
    """A server's counters of one model since the server started; the difference of two covers the time between.

    Args:
        requests: requests answered without an error, warm-up included.
        inferences: pictures made.
        executions: batches run.
        queue_ns: total time that requests waited for an instance, in nanoseconds.
        compute_input_ns, compute_infer_ns, compute_output_ns: total time of inputs, inference and outputs, in
            nanoseconds; the time of a batch counts once for each of its requests.
        failures: requests answered with an error.
        batch_sizes: size of a batch -> number of batches.
    """

    requests: int
    inferences: int
    executions: int
    queue_ns: int
    compute_input_ns: int
    compute_infer_ns: int
    compute_output_ns: int
    failures: int = 0
    batch_sizes: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counted: Any) -> ServerStatistics:
        """Read Triton's message `ModelStatistics`, which is of one version of a model."""
        times = counted.inference_stats
        return cls(
            requests=times.success.count,
            inferences=counted.inference_count,
            executions=counted.execution_count,
            queue_ns=times.queue.ns,
            compute_input_ns=times.compute_input.ns,
            compute_infer_ns=times.compute_infer.ns,
            compute_output_ns=times.compute_output.ns,
            failures=times.fail.count,
            batch_sizes={batch.batch_size: batch.compute_infer.count for batch in counted.batch_stats},
        )

    @property
    def mean_batch(self) -> float:
        """Pictures per batch; NaN if no batch was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    def __add__(self, other: ServerStatistics) -> ServerStatistics:
        return self._combined(other, 1)

    def __sub__(self, earlier: ServerStatistics) -> ServerStatistics:
        return self._combined(earlier, -1)

    def _combined(self, other: ServerStatistics, sign: int) -> ServerStatistics:
        mine, others = vars(self), vars(other)
        numbers = {name: mine[name] + sign * others[name] for name in mine if name != "batch_sizes"}
        sizes = Counter(self.batch_sizes)
        for size, count in other.batch_sizes.items():
            sizes[size] += sign * count
        return ServerStatistics(
            **numbers, batch_sizes={size: count for size, count in sizes.items() if count}
        )
