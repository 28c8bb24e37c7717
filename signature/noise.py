"""Seed -> Gaussian noise, by one arithmetic that NumPy, torch and an ONNX graph compute alike.

The usual counter-based generators need bit operations that TensorRT does not parse, so the mixing here is a
permutation of the integers modulo the Mersenne prime p = 2**31 - 1, made of additions, multiplications and
remainders in INT64 (no product reaches 2**63). A seed is written in base p; its digits are mixed into two keys,
together a one-to-one function of the two low digits, so that seeds below p**2 (about 2**62) never share their
keys. Every value of the noise is then a function of (keys, stream, position) alone: a picture does not depend on
the batch it is made in, and the first values of a longer noise are those of a shorter one.

The functions take a NumPy array or a torch tensor and answer in kind; tracing the torch form writes the same
integer operations into an ONNX graph. Negative seeds are refused by `signature`, not here: a graph cannot raise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_SEED", "NOISE", "gaussian", "integers", "keys", "noise_in_onnx"]

MAX_SEED = 2**63 - 1
"""The largest seed; the smallest is 0."""

NOISE = "noise"
"""Name, in every graph, of the value that a seed becomes: FP32 of shape (batch, count)."""

PRIME = 2**31 - 1
# First 31 bits of the fractional parts of sqrt(2), sqrt(3), sqrt(5), ...: constants with nothing up the sleeve.
ROUND_CONSTANTS = (889516851, 1572067138, 506952121, 1386740381, 679946559, 1300411462)

Array = TypeVar("Array", np.ndarray, "torch.Tensor")


def keys(seed: Array) -> tuple[Array, Array]:
    """Mix each seed into two keys.

    Args:
        seed: INT64 array of any shape, values in [0, 2**63 - 1].

    Returns:
        Two INT64 arrays of the same shape, values in [0, 2**31 - 2].
    """
    # Floor division: torch's truncating one is exported through FP32, which loses digits.
    low, rest = seed % PRIME, seed // PRIME
    middle, high = rest % PRIME, rest // PRIME  # high is 0, 1 or 2
    # A two-step Feistel ladder: from both keys and `high`, `middle` and then `low` can be computed back.
    first = _permute(low, middle, high)
    return first, _permute(middle, first, high)


def integers(seed: Array, count: int, stream: int = 0) -> Array:
    """Uniform integers of each seed.

    Args:
        seed: INT64 of shape (batch,), values in [0, 2**63 - 1].
        count: how many integers per seed, at most 2**31 - 1.
        stream: number of an independent sequence of the same seed, in [0, 2**31 - 2].

    Returns:
        INT64 of shape (batch, count), values in [0, 2**31 - 2].
    """
    first, second = keys(seed)
    if stream:
        first = _permute(first, second, stream)
    return _permute(_counter(seed, count), first[:, None], second[:, None])


def gaussian(seed: Array, count: int, stream: int = 0) -> Array:
    """Standard normal noise of each seed, by the transform of Box and Muller (1958).

    Args:
        seed: INT64 of shape (batch,), values in [0, 2**63 - 1].
        count: how many values per seed.
        stream: number of an independent sequence of the same seed, in [0, 2**31 - 2].

    Returns:
        FP32 of shape (batch, count), values in (-6.6, 6.6); equal between backends to a few units in the last
        place, as their logarithms, sines and cosines are.
    """
    pairs = (count + 1) // 2
    xp: Any = _namespace(seed)
    # (x + 1) / 2**31 lies in (0, 1]: the logarithm stays finite, and a power of two scales without rounding.
    shifted: Any = integers(seed, 2 * pairs, stream) + 1
    uniform = (shifted.astype(np.float32) if xp is np else shifted.float()) * 2.0**-31
    uniform = uniform.reshape(-1, pairs, 2)
    radius = xp.sqrt(xp.log(uniform[:, :, 0]) * -2.0)
    angle = uniform[:, :, 1] * float(np.float32(2 * math.pi))
    both = xp.stack((radius * xp.cos(angle), radius * xp.sin(angle)), -1)
    return both.reshape(-1, 2 * pairs)[:, :count]


def noise_in_onnx(op: Any, seed: Any, count: int) -> Any:
    """The nodes of an ONNX graph that compute `gaussian(seed, count)`.

    Args:
        op: operators of an opset from 13 on, as functions of the values of a graph; see onnxscript.
        seed: INT64 of shape (batch,), a value of the graph.
        count: how many values per seed.
    """

    def whole(*values: int) -> Any:
        return op.Constant(value_ints=list(values))

    def mod(value: Any) -> Any:
        return op.Mod(value, prime)

    def permuted(value: Any, key: Any, tweak: Any) -> Any:
        for round_number, constant in enumerate(ROUND_CONSTANTS):
            value = mod(op.Add(op.Add(value, tweak if round_number % 2 else key), whole(constant)))
            square = mod(op.Mul(value, value))
            value = mod(op.Mul(mod(op.Mul(square, square)), value))
        return value

    def part(values: Any, number: int) -> Any:
        return op.Gather(values, op.Constant(value_int=number), axis=2)

    prime, pairs = whole(PRIME), (count + 1) // 2
    rest = op.Div(seed, prime)  # it cuts off, which is right for what is not negative
    low, middle, high = mod(seed), mod(rest), op.Div(rest, prime)
    first = permuted(low, middle, high)
    second = permuted(middle, first, high)
    column = whole(1)
    counter = op.Unsqueeze(whole(*range(2 * pairs)), whole(0))
    shifted = op.Add(permuted(counter, op.Unsqueeze(first, column), op.Unsqueeze(second, column)), whole(1))
    uniform = op.Mul(op.Cast(shifted, to=1), op.Constant(value_float=2.0**-31))
    uniform = op.Reshape(uniform, whole(-1, pairs, 2))
    radius = op.Sqrt(op.Mul(op.Log(part(uniform, 0)), op.Constant(value_float=-2.0)))
    angle = op.Mul(part(uniform, 1), op.Constant(value_float=float(np.float32(2 * math.pi))))
    halves = (op.Unsqueeze(op.Mul(radius, one(angle)), whole(-1)) for one in (op.Cos, op.Sin))
    both = op.Reshape(op.Concat(*halves, axis=-1), whole(-1, 2 * pairs))
    return both if count == 2 * pairs else op.Slice(both, whole(0), whole(count), column)


def _permute(value: Any, key: Any, tweak: Any) -> Any:
    """Permute the integers modulo p, differently for each pair of key and tweak.

    x -> x**5 is a permutation modulo p because gcd(5, p - 1) = 1; adding a key before each power makes a keyed
    one (the construction of the MiMC cipher, Albrecht et al. 2016, with far fewer rounds: this is noise, not
    secrecy).
    """
    for round_number, constant in enumerate(ROUND_CONSTANTS):
        value = (value + (tweak if round_number % 2 else key) + constant) % PRIME
        square = value * value % PRIME
        value = square * square % PRIME * value % PRIME
    return value


def _namespace(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def _counter(seed: Any, count: int) -> Any:
    if isinstance(seed, np.ndarray):
        return np.arange(count, dtype=np.int64)[None]
    import torch

    return torch.arange(count, dtype=torch.int64, device=seed.device)[None]
