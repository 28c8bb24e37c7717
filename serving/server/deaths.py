"""Why a server's process ended: signal, words of the C++ runtime, the kernel's out of memory killer, log."""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from pathlib import Path

from ..control.lacking_backend import plain_refusal

__all__ = ["cause_of_death", "decisive_line", "ending", "oom_kills"]

_MOST_BYTES = 262_144
"""Of the end of a log that is read: a log may be long, or a device without an end."""

_NO_GPU = re.compile("CudaDriverHelper|NVML|DCGM")
"""Lines that every start on a machine without a GPU logs as errors."""

_DECISIVE = (
    r"UNAVAILABLE: (?:Internal: |Invalid argument: )?(?:TritonModelException: )?(.*?)\s*\|?$",
    r"UNAVAILABLE state: (?:Internal: |Invalid argument: )?(?:TritonModelException: )?(.*?)(?:\\n|;|\"?\s*$)",
    r"^E\d{4} .*?\] (.*)$",
    r"error: (.*)$",
)
_TERMINATE = re.compile(r"terminate called (?:after throwing an instance of '([^']+)'|recursively|without.*)")
_WHAT = re.compile(r"^\s*what\(\):\s*(.*)$")
_FATAL = re.compile(
    r"(double free|corrupted|Assertion `|std::bad_alloc|[Ff]atal|out of memory|Cannot allocate)"
)
_CGROUPS = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))
_VMSTAT = Path("/proc/vmstat")


def ending(code: int) -> str:
    """How a process ended, in two words; `code` as `subprocess` gives it: negative for a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def cause_of_death(code: int, log: Path, *, start: int = 0, oom_before: int | None = None) -> str:
    """Why a server that was serving died, in one line.

    Args:
        code: how its process ended, as `subprocess` gives it.
        log: file with its output.
        start: where its output starts in the log, in bytes.
        oom_before: `oom_kills()` from before it died.
    """
    said = _last_words(log, start)
    if code == -signal.SIGKILL:
        now = oom_kills()
        if oom_before is not None and now is not None and now > oom_before:
            return "signal SIGKILL from the kernel, which ran out of memory"
        return f"signal SIGKILL, from outside{f'; {said}' if said else ''}"
    return f"{ending(code)}{f': {said}' if said else ''}"


def decisive_line(log: Path, start: int = 0) -> str:
    """The most useful line of the log of a start that failed: why a model did not load, else the first error.

    Args:
        log: file with the server's output.
        start: where the output of this start begins, in bytes.
    """
    lines = [line for line in _lines(log, start) if not _NO_GPU.search(line)]
    for pattern in _DECISIVE:
        for line in lines:
            if match := re.search(pattern, line):
                return plain_refusal(match[1].strip('" '))
    return lines[-1] if lines else "its log is empty"


def oom_kills() -> int | None:
    """Processes that the kernel's out of memory killer ended so far, here or in this control group."""
    for file in (*_CGROUPS, _VMSTAT):
        with suppress(OSError):
            if match := re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE):
                return int(match[1])
    return None


def _last_words(log: Path, start: int) -> str:
    """What the C++ runtime or Triton said at the end, else the last error; empty if neither said anything."""
    lines = _lines(log, start)[-200:]
    for index in range(len(lines) - 1, -1, -1):
        if match := _TERMINATE.search(lines[index]):
            what = next(
                (found[1] for line in lines[index + 1 : index + 3] if (found := _WHAT.match(line))), ""
            )
            return f"{match[0]}{f', what(): {what}' if what else ''}"
    for line in reversed(lines):
        if _FATAL.search(line) and not _NO_GPU.search(line):
            return line.strip()
    return ""


def _lines(log: Path, start: int) -> list[str]:
    """The last lines of a log that have something in them."""
    with suppress(OSError), log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(start, size - _MOST_BYTES))
        text = file.read(_MOST_BYTES).decode(errors="replace")
        return [line for line in text.splitlines() if line.strip("\0 ")]
    return []
