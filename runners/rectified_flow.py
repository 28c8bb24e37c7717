"""The stages of a text-to-image flow in turn: text encoder once, denoiser in every Euler step, decoder once.

Every row of a batch has its own number of steps and its own guidance. A finished row leaves the batch, and its picture
does not depend on the other rows. A whole request and the engine of `serving.in_flight` move their rows by the same
`Batch`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..bundle import Bundle
from ..bundle.manifest import TOKENIZER_NAME
from ..errors import LithoError
from ..signature import Signature
from ..signature.fields import Role
from ..signature.noise import gaussian
from ..signature.tokenizer import tokenize, vocabulary_size
from . import base

__all__ = ["Batch", "Rows", "Runner"]


class Runner(base.Runner):
    """Moves the seed's noise to a picture of the prompt, along the velocity that the denoiser predicts.

    Euler's method for a rectified flow (Liu et al. 2022, algorithm 1): time 0 is noise, time 1 is data, and step k of
    `steps` starts at time k / steps.

    Args:
        signature: inputs are seed or latent, prompt, steps and guidance; the output is a picture.
        stages: the open runners "text_encoder", "denoiser" and "decoder"; closing this runner closes them.
        tokenizer: JSON text for `signature.tokenizer.tokenize`.

    Raises:
        MissingExtra: the library that reads tokenizers is not installed.
        UsageError: the text is not a tokenizer.
    """

    name = "rectified-flow"
    title = "rectified flow"

    def __init__(self, signature: Signature, stages: Mapping[str, base.Runner], tokenizer: str) -> None:
        self._stages = dict(stages)
        vocabulary_size(tokenizer)  # refuses an invalid tokenizer now, not with the first picture
        self._tokenizer = tokenizer
        (self._token_count,) = self._stages["text_encoder"].signature.inputs[0].shape
        self._sample_shape = self._stages["denoiser"].signature.output.shape
        descriptions = dict.fromkeys(stage.description for stage in stages.values())
        super().__init__(signature, f"rectified flow in {', '.join(descriptions)}")
        self._fields = {field.role: field.name for field in signature.inputs}

    @classmethod
    def from_stages(cls, bundle: Bundle, stages: Mapping[str, base.Runner]) -> Self:
        """Run the open stages of a bundle with its tokenizer."""
        tokenizer = bundle.read(TOKENIZER_NAME).decode(errors="replace")
        return cls(bundle.manifest.signature, stages, tokenizer)

    def close(self) -> None:
        """Close the stages; closing twice is fine."""
        for stage in self._stages.values():
            stage.close()

    @property
    def longest(self) -> int:
        """Most steps that a row may ask for."""
        (steps,) = (field for field in self.signature.inputs if field.role is Role.STEPS)
        return int(steps.maximum or 1)

    def begin(self, inputs: Mapping[str, NDArray[Any]]) -> Rows:
        """Tokens, embeddings and noise of checked inputs that are complete: the rows before their first step."""
        given = {role: inputs[name] for role, name in self._fields.items()}
        tokens = tokenize(self._tokenizer, given[Role.PROMPT], self._token_count)
        return Rows(
            sample=self._noise(given).reshape(-1, *self._sample_shape),
            embedding=self._run("text_encoder", tokens),
            guidance=given[Role.GUIDANCE],
            steps=given[Role.STEPS],
            taken=np.zeros(len(tokens), np.int64),
        )

    def advance(self, rows: Rows) -> NDArray[np.float32]:
        """The samples of some rows after their next step; the rows stay as they are."""
        time, length = ((values / rows.steps).astype(np.float32) for values in (rows.taken, 1))
        return self._run("denoiser", rows.sample, time, length, rows.embedding, rows.guidance)

    def decode(self, sample: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Samples of shape (rows, ...) -> pictures; of an unfinished row it is a preview."""
        return self._run("decoder", sample)

    def empty_rows(self, count: int) -> Rows:
        """Arrays for the state of `count` rows, not filled."""
        embedding = self._stages["text_encoder"].signature.output
        return Rows(
            sample=np.empty((count, *self._sample_shape), np.float32),
            embedding=np.empty((count, *embedding.shape), embedding.numpy_dtype),
            guidance=np.empty(count, np.float32),
            steps=np.ones(count, np.int64),
            taken=np.zeros(count, np.int64),
        )

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        rows = self.begin(inputs)
        # Rows with the fewest steps come last, so that no other row moves when they leave.
        order = np.argsort(-rows.steps, kind="stable")
        batch = Batch(self, len(order))
        batch.put(rows.chosen(order), order.tolist())
        sample = np.empty_like(rows.sample)
        while len(batch):
            batch.step()
            done, positions = batch.take(batch.finished())
            sample[positions] = done.sample
        return self.decode(sample)

    def _noise(self, given: Mapping[Role, NDArray[Any]]) -> NDArray[np.float32]:
        if Role.LATENT in given:
            return given[Role.LATENT]
        return gaussian(given[Role.SEED], math.prod(self._sample_shape))

    def _run(self, name: str, *arrays: ArrayLike) -> NDArray[Any]:
        stage = self._stages[name]
        names = [field.name for field in stage.signature.inputs]
        return stage.run(dict(zip(names, arrays, strict=True)), check=False)[stage.signature.output.name]


@dataclass(frozen=True)
class Rows:
    """State of some rows between two steps.

    Args:
        sample: FP32 of shape (rows, ...), as the denoiser takes it.
        embedding: of the prompts, shape (rows, ...).
        guidance: FP32 of shape (rows,).
        steps: INT64 of shape (rows,), all steps of the row.
        taken: INT64 of shape (rows,), the steps that it has behind it.
    """

    sample: NDArray[np.float32]
    embedding: NDArray[Any]
    guidance: NDArray[np.float32]
    steps: NDArray[np.int64]
    taken: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.steps)

    def chosen(self, positions: slice | NDArray[np.int64]) -> Rows:
        """Some of the rows: views for a slice, copies for an array of places."""
        return Rows(**{name: values[positions] for name, values in self.arrays()})

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Name and array of each part of the state."""
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


class Batch:
    """Rows that take their steps together, in arrays that stay in place.

    The rows fill the front of the arrays without a gap: when some leave, the last ones move into the gaps. A step
    therefore reads contiguous memory and copies nothing but the new samples.

    Args:
        runner: whose stages move the rows.
        capacity: most rows.
    """

    def __init__(self, runner: Runner, capacity: int) -> None:
        self.capacity = capacity
        self._runner = runner
        self._rows = runner.empty_rows(capacity)
        self._tickets = np.empty(capacity, object)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> Rows:
        """The rows in the batch, as views; they change with the next call."""
        return self._rows.chosen(slice(0, self._count))

    @property
    def tickets(self) -> list[Any]:
        """What `put` was given with each row, in the order of `rows`."""
        return self._tickets[: self._count].tolist()

    def put(self, rows: Rows, tickets: Sequence[Any]) -> None:
        """Add rows behind the others.

        Args:
            rows: at most as many as there is room for; they are copied.
            tickets: one for each row, by which the caller knows it again.
        """
        start, end = self._count, self._count + len(rows)
        assert end <= self.capacity, "the caller keeps within the capacity"
        for name, values in rows.arrays():
            getattr(self._rows, name)[start:end] = values
        for position, ticket in enumerate(tickets, start):
            self._tickets[position] = ticket
        self._count = end

    def step(self) -> None:
        """Move all rows by one step.

        Raises:
            LithoError: the runtime failed; no row has moved.
        """
        self._move(slice(0, self._count))

    def step_apart(self) -> dict[int, LithoError]:
        """Move the rows by one step, each one alone.

        Returns:
            Position -> error of each row that the runtime failed on; these rows have not moved.
        """
        errors: dict[int, LithoError] = {}
        for position in range(self._count):
            try:
                self._move(slice(position, position + 1))
            except LithoError as error:
                errors[position] = error
        return errors

    def finished(self) -> NDArray[np.int64]:
        """Places of the rows that have taken all their steps, ascending."""
        rows = self.rows
        return np.flatnonzero(rows.taken >= rows.steps)

    def take(self, positions: NDArray[np.int64]) -> tuple[Rows, list[Any]]:
        """Remove rows.

        Args:
            positions: of rows in the batch, ascending, none twice.

        Returns:
            Copies of the rows, and their tickets.
        """
        taken, tickets = self._rows.chosen(positions), self._tickets[positions].tolist()
        remaining = self._count - len(positions)
        tail = np.arange(remaining, self._count)
        movers = tail[~np.isin(tail, positions)]
        holes = positions[positions < remaining]
        if len(holes):
            for _, values in self._rows.arrays():
                values[holes] = values[movers]
            self._tickets[holes] = self._tickets[movers]
        self._tickets[remaining : self._count] = None  # a ticket may hold a request with its inputs
        self._count = remaining
        return taken, tickets

    def _move(self, part: slice) -> None:
        rows = self._rows.chosen(part)
        rows.sample[...] = self._runner.advance(rows)
        rows.taken[...] += 1
