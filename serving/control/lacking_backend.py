"""Say what Triton's refusal of a model with an unknown backend means, and what to do."""

from __future__ import annotations

import re

__all__ = ["plain_refusal"]

_LACKING = re.compile(r"unable to find backend library for backend '([^']+)'")


def plain_refusal(cause: str) -> str:
    """Triton's reason why a model did not load; in litho's words where the server lacks the model's backend."""
    match = _LACKING.search(cause)
    if match is None:
        return cause
    return (
        f"the server has no backend {match[1]!r}, which the model's flavour needs; serve the repository from a"
        " container that has it ('litho serve --container'), or deploy the bundle with --flavour litho"
    )
