"""Requests of several kinds in one load: other steps, sizes and numbers of pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ....errors import LithoError, UsageError
from ....signature import Signature
from ....signature.fields import Role

__all__ = ["Mix"]

_ALLOWED = "kinds such as 'steps=4,n=2:3;steps=20', with a weight after the colon"
COUNT, SIZE = "n", "size"


@dataclass(frozen=True)
class Mix:
    """Kinds of requests and how often each comes.

    Args:
        kinds: of each what differs from an example: field name, "n" (pictures) or "size" (HEIGHTxWIDTH) -> its text.
        weights: share of each; they need not add up to 1.
        in_order: whether the kinds follow each other as they stand, and are not drawn.
    """

    kinds: tuple[Mapping[str, str], ...]
    weights: tuple[float, ...]
    in_order: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "steps=4,n=2:3;steps=20": kinds separated by ";", each with a weight after ":", by default 1.

        Raises:
            UsageError: the text has another form.
        """
        kinds, weights = list[dict[str, str]](), list[float]()
        for part in text.split(";"):
            what, _, weight = part.partition(":")
            pairs = [pair.split("=", 1) for pair in what.split(",")]
            try:
                weights.append(float(weight) if weight else 1.0)
                kinds.append({name.strip(): value.strip() for name, value in pairs})
            except ValueError:
                raise UsageError(f"--mix was given {part!r}; it takes {_ALLOWED}") from None
        if not all(0 < weight < float("inf") for weight in weights):
            raise UsageError(f"--mix was given the weights {weights}; they are positive numbers")
        return cls(tuple(kinds), tuple(weights))

    def draw(
        self, signature: Signature, count: int, batch: int, generator: np.random.Generator
    ) -> list[dict[str, NDArray[Any]]]:
        """Inputs of `count` requests.

        Args:
            signature: of the runner.
            count: of requests; of a mix in order, a whole number of rounds at least.
            batch: pictures of a request whose kind has no "n".
            generator: of random numbers.

        Raises:
            UsageError: the generator has no such field, or does not take such a value.
        """
        weights = np.array(self.weights)
        turns = -(-count // len(self.kinds))
        positions = (
            np.tile(np.arange(len(self.kinds)), turns)
            if self.in_order
            else generator.choice(len(self.kinds), count, p=weights / weights.sum())
        )
        return [
            _inputs(signature, self.kinds[position], batch, int(generator.integers(2**31)))
            for position in positions.tolist()
        ]


def _inputs(signature: Signature, kind: Mapping[str, str], batch: int, seed: int) -> dict[str, NDArray[Any]]:
    rows = _number(kind[COUNT], COUNT) if COUNT in kind else batch
    of_size = _of_size(signature, kind[SIZE]) if SIZE in kind else signature
    inputs = of_size.example(rows, seed=seed)
    for name, text in kind.items():
        if name in (COUNT, SIZE):
            continue
        field = next((one for one in signature.inputs if one.name == name), None)
        if field is None or field.shape or field.role is Role.SEED:
            fields = [one.name for one in signature.inputs if not one.shape and one.role is not Role.SEED]
            raise UsageError(
                f"--mix was given {name!r}; this generator takes {', '.join([COUNT, SIZE, *fields])}"
            )
        value: Any = text if field.dtype == "BYTES" else _number(text, name)
        inputs[name] = np.full(rows, value, field.numpy_dtype)
    try:
        return signature.check(inputs)
    except LithoError as error:
        raise UsageError(f"--mix was given {dict(kind)}: {error}") from None


def _number(text: str, name: str) -> int:
    if not re.fullmatch(r"[1-9]\d*|0", text) or (name == COUNT and text == "0"):
        raise UsageError(f"--mix was given {name}={text}; it takes a whole number")
    return int(text)


def _of_size(signature: Signature, text: str) -> Signature:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise UsageError(f"--mix was given size={text}; it takes HEIGHTxWIDTH, such as 64x96")
    if signature.sized_by is None:
        raise UsageError(f"--mix was given size={text}; the pictures of this generator have one size")
    try:
        return signature.with_size(int(match[1]), int(match[2]))
    except LithoError as error:
        raise UsageError(f"--mix was given size={text}: {error}") from None
