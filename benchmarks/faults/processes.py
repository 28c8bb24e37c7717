"""Faults of processes: killed stubs, a killed server, a server that is asked to end under load, and pauses."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Mapping
from typing import Any

from .base import Fault, Scene
from .serving import SERVER, STUB

__all__ = ["FAULTS"]

PAUSES, PAUSE_SECONDS = 5, 1.2
"""Triton gives a batch up after a second without a sign of life of its instance."""

_BETWEEN_SECONDS = 60.0
"""Longest wait for good answers between two pauses."""


def _kill(scene: Scene, name: str, count: int | None = None) -> Mapping[str, Any]:
    processes = scene.serving.processes(name)[:count]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    scene.ended()
    return {"killed": len(processes)}


def _pause(scene: Scene) -> Mapping[str, Any]:
    """Everything but the clients stops and goes on, as on a virtual machine that is moved to another host."""
    for _ in range(PAUSES):
        scene.load.wait_for_good(scene.whole_from, 0.5, _BETWEEN_SECONDS)
        scene.serving.pause(PAUSE_SECONDS)
        scene.ended()
    return {"pauses": PAUSES, "pause_seconds": PAUSE_SECONDS}


def _terminate(scene: Scene) -> Mapping[str, Any]:
    code, seconds = scene.serving.terminate()
    answers = Counter(one.outcome for one in scene.load.records if one.began >= scene.faulty_from)
    scene.expect(code == 0, f"litho serve ended with exit code {code}")
    scene.expect("NOT_FOUND" not in answers, f"{answers['NOT_FOUND']} answers were NOT_FOUND")
    # A service manager starts it again; what the load sees until then is part of the fault.
    again = scene.serving.start()
    scene.ended()
    answers = Counter(one.outcome for one in scene.load.records if one.began >= scene.faulty_from)
    scene.expect("NOT_FOUND" not in answers, f"{answers['NOT_FOUND']} answers were NOT_FOUND")
    return {
        "exit_code": code,
        "seconds_to_exit": round(seconds, 2),
        "seconds_of_next_start": round(again, 2),
        "answers": dict(answers),
    }


FAULTS = (
    Fault("stub-killed", "one stub gets SIGKILL", lambda scene: _kill(scene, STUB, 1)),
    Fault("both-stubs-killed", "all stubs get SIGKILL", lambda scene: _kill(scene, STUB)),
    Fault("server-killed", "the server gets SIGKILL", lambda scene: _kill(scene, SERVER)),
    Fault(
        "machine-paused",
        f"the server and litho serve stand still for {PAUSE_SECONDS} s, {PAUSES} times, and go on",
        _pause,
    ),
    Fault("terminated", "litho serve gets SIGTERM, and is started again when it has ended", _terminate),
)
