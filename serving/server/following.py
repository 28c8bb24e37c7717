"""A running server follows its repository on object storage: what is deployed there, it loads while it serves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from ...errors import LithoError
from ..configuration.model_config import parse_config
from ..control.server_control import ServerControl
from ..repository.storage import CONFIG_NAME, Replica

__all__ = ["Follower"]


class Follower:
    """Looks at intervals for changes of a repository and has a server load them; works while the `with` block runs.

    Triton loads and warms up a new version before it drops the old one, so no request fails. A version that does not
    load leaves the old one in service, and is tried again at the next look.

    Args:
        replica: of the repository; the server serves its folder.
        seconds: between two looks.
        report: called with one line for each change, and for each new reason why a change could not be made.
    """

    def __init__(self, replica: Replica, seconds: float, report: Callable[[str], object]) -> None:
        self._replica, self._seconds, self._report = replica, seconds, report
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_failure = ""

    def __repr__(self) -> str:
        return f"<Follower of {self._replica}, every {self._seconds:g} s>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def start(self, server: ServerControl) -> None:
        """Begin to follow.

        Args:
            server: in explicit mode; it is closed at the end.
        """
        self._thread = threading.Thread(target=self._run, args=(server,), name="litho-follower", daemon=True)
        self._thread.start()

    def look(self, server: ServerControl) -> tuple[str, ...]:
        """Load what has changed since the last look.

        Returns:
            Names of the models that changed.

        Raises:
            StorageError, IntegrityError: as `Replica.refresh`.
            ServerError: the server did not load a version; the old one serves.
        """

        def apply(name: str) -> None:
            target = self._replica.path / name / CONFIG_NAME
            if not target.is_file():
                server.unload(name)
                return
            server.load(name)
            server.wait_for(name, parse_config(target.read_text("utf-8")).version_policy.specific.versions)

        changed = self._replica.refresh(apply)
        if changed:
            self._replica.prune()
        return changed

    def _run(self, server: ServerControl) -> None:
        with server:
            while not self._stop.wait(self._seconds):
                try:
                    changed = self.look(server)
                except LithoError as error:
                    if str(error) != self._last_failure:
                        self._report(str(error))
                    self._last_failure = str(error)
                    continue
                self._last_failure = ""
                for name in changed:
                    with suppress(LithoError):
                        self._report(f"{name} serves version {self._versions(server, name)}")

    @staticmethod
    def _versions(server: ServerControl, name: str) -> str:
        return ", ".join(map(str, server.live_versions(name))) or "none"
