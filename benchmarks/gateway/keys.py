"""Whether the time of a refusal says anything about a key: right ones, wrong ones, near misses, revoked ones."""

from __future__ import annotations

import http.client
import random
import secrets
import statistics
import time
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path

from ...serving.gateway.protection.key_check import KeyCheck
from ...serving.gateway.protection.keys import PREFIX, KeyFile
from ..shared.paired import median_interval
from .documents import KeyTimes
from .process import GatewayProcess

__all__ = ["measure_keys", "timed"]

CALLS = 50
"""Checks that are timed together."""
OTHER_KEYS = 20


def measure_keys(server: str, folder: Path, rounds: int) -> tuple[KeyTimes, ...]:
    """Time the check alone, then refused requests over HTTP.

    Args:
        server: grpc://HOST:PORT of a Triton server.
        folder: for the file of keys and the log.
        rounds: in each of which every kind of key is timed once, in another order.

    Raises:
        LithoError: the gateway does not start.
    """
    file = KeyFile(folder / "keys.json")
    for number in range(OTHER_KEYS):
        file.create(f"other {number}")
    right, _ = file.create("right")
    revoked, record = file.create("revoked")
    file.revoke(record.id)
    end = "A" if right[-1] != "A" else "B"
    given = {
        "right": right,
        "one character wrong": right[:-1] + end,
        "wrong": PREFIX + secrets.token_urlsafe(32),
        "revoked": revoked,
    }
    check = KeyCheck(file)
    whole = {kind: _checks(check, key.encode()) for kind, key in given.items()}
    here = timed("check", whole, rounds, calls=CALLS)
    with GatewayProcess(server, folder / "keys.log", "--keys", str(file.path)) as gateway:
        connection = http.client.HTTPConnection(gateway.address, timeout=30)
        # A right key is answered, and not refused: that takes longer, and may.
        refused = {kind: _request(connection, key) for kind, key in given.items() if kind != "right"}
        over_http = timed("http", refused, rounds, calls=1)
        connection.close()
    return here, over_http


def timed(where: str, kinds: Mapping[str, Callable[[], None]], rounds: int, calls: int) -> KeyTimes:
    """Time each kind once in every round.

    Args:
        where: of the result.
        kinds: name -> what is timed.
        rounds: how many.
        calls: of each kind's turn, which are timed together.
    """
    choice = random.Random(0)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    order = [*kinds]
    for _ in range(rounds):
        choice.shuffle(order)
        for kind in order:
            call = kinds[kind]
            began = time.perf_counter_ns()
            for _ in range(calls):
                call()
            taken[kind].append((time.perf_counter_ns() - began) / calls / 1e3)
    differences = {}
    for first, second in combinations(kinds, 2):
        each = [one - other for one, other in zip(taken[first], taken[second], strict=True)]
        differences[f"{first} - {second}"] = (statistics.median(each), *median_interval(each))
    return KeyTimes(
        where="check" if where == "check" else "http",
        rounds=rounds,
        median_us={kind: statistics.median(times) for kind, times in taken.items()},
        difference_us=differences,
    )


def _checks(check: KeyCheck, key: bytes) -> Callable[[], None]:
    def call() -> None:
        check.find(key)

    return call


def _request(connection: http.client.HTTPConnection, key: str) -> Callable[[], None]:
    headers = {"Authorization": f"Bearer {key}"}

    def call() -> None:
        connection.request("GET", "/v1/models", headers=headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 401:
            raise AssertionError(f"a wrong key was answered with {answer.status}")

    return call
