"""Open loop that replays a recorded load: a CSV file with the column "seconds", and what each request asks for."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....errors import UsageError
from . import base

__all__ = ["Scenario"]

TIME = "seconds"


class Scenario(base.Scenario):
    """Requests leave when the file says; after its end it starts again.

    Args:
        trace: the file. Column "seconds" is the time since any moment; the others are what `--mix` takes, such as
            "steps", "n" or "size".

    Raises:
        UsageError: there is no file, or it is not one of these.
    """

    name = "trace"
    rated = True

    def __init__(self, trace: Path | None = None) -> None:
        if trace is None:
            raise UsageError("--scenario trace needs --trace: a CSV file with a column 'seconds'")
        try:
            with trace.open(newline="") as file:
                rows = list(csv.DictReader(file))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UsageError(
                f"cannot read {trace}: {error}; give a CSV file with a column 'seconds'"
            ) from None
        try:
            seconds = np.array([float(row.pop(TIME)) for row in rows])
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{trace} has no number in the column 'seconds' of every row ({error}); it takes one request a row"
            ) from None
        if len(seconds) < 2 or not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
            raise UsageError(
                f"{trace} has {len(seconds)} requests; it takes at least 2, and seconds that never go back"
            )
        length = float(seconds[-1] - seconds[0]) * len(seconds) / (len(seconds) - 1)
        if not length:
            raise UsageError(f"all requests of {trace} are at the same moment; a trace has a length")
        self._times, self._length = seconds - seconds[0], length
        self._rows = tuple({name: text for name, text in row.items() if name and text} for row in rows)

    @property
    def own_rate(self) -> float:
        """See `Scenario.own_rate`."""
        return len(self._times) / self._length

    def requests(self) -> tuple[dict[str, str], ...]:
        """See `Scenario.requests`."""
        return self._rows if any(self._rows) else ()

    def times(self, rate: float, seconds: float, generator: np.random.Generator) -> NDArray[np.float64]:
        """See `Scenario.times`; another rate than its own makes the whole trace faster or slower."""
        del generator
        scale = self.own_rate / rate
        turns = int(seconds / (self._length * scale)) + 1
        starts = np.arange(turns)[:, None] * self._length
        times = ((starts + self._times) * scale).ravel()
        return times[times < seconds]
