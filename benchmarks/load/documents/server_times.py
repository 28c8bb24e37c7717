"""What a server says of the requests of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....bundle.json_documents import Document

if TYPE_CHECKING:
    from ....runners.triton import ServerStatistics

__all__ = ["ServerTimes"]


class ServerTimes(Document):
    """The server's statistics of a window.

    Args:
        requests: answered requests of all clients.
        failures: refused or failed requests.
        inferences: images made.
        executions: batches run.
        queue_ms: mean time that a request waited, in milliseconds.
        compute_input_ms, compute_infer_ms, compute_output_ms: mean time that a request's batch took to gather
            inputs, to run and to return outputs, in milliseconds.
        batch_sizes: size of a batch -> number of batches of that size; empty if the server does not count them.
    """

    requests: int
    failures: int
    inferences: int
    executions: int
    queue_ms: float
    compute_input_ms: float
    compute_infer_ms: float
    compute_output_ms: float
    batch_sizes: dict[int, int]

    @property
    def mean_batch(self) -> float:
        """Mean number of images in a batch, inferences / executions; NaN if no batch was run."""
        return self.inferences / self.executions if self.executions else float("nan")

    @property
    def compute_ms(self) -> float:
        """Mean time of a request in the server without the queue, in milliseconds."""
        return self.compute_input_ms + self.compute_infer_ms + self.compute_output_ms

    @classmethod
    def of(cls, statistics: ServerStatistics) -> ServerTimes:
        """Times from the difference of two readings of a server's statistics, or the sum of such differences."""
        per_request_ms = 1e-6 / max(1, statistics.requests)
        return cls(
            requests=statistics.requests,
            failures=statistics.failures,
            inferences=statistics.inferences,
            executions=statistics.executions,
            queue_ms=statistics.queue_ns * per_request_ms,
            compute_input_ms=statistics.compute_input_ns * per_request_ms,
            compute_infer_ms=statistics.compute_infer_ns * per_request_ms,
            compute_output_ms=statistics.compute_output_ns * per_request_ms,
            batch_sizes=dict(sorted(statistics.batch_sizes.items())),
        )
