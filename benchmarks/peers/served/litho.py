"""litho's endpoint: the embedded Triton server with what `litho deploy` writes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...._version import __version__
from ....errors import LithoError
from ....serving.repository.deploy import deploy
from ....serving.server.embedded import EmbeddedServer
from ....serving.server.environment import find
from . import base

__all__ = ["Peer"]


class Peer(base.Peer):
    """`litho deploy` and `litho serve`, over Triton's HTTP."""

    title = "litho"
    order = 0

    def lacks(self) -> str:
        """The server's environment."""
        try:
            find()
        except LithoError as error:
            return str(error)
        return ""

    def versions(self) -> dict[str, str]:
        """Versions of the packages that serve."""
        return {
            "litho": __version__,
            "tritonserver": "2.51.0 (24.10)",
            **base.versions_in(find().site_packages),
        }

    def settings(self) -> Sequence[base.Setting]:
        """One and two instances; two is the default of `litho deploy`."""
        return [
            base.Setting(f"{count} instance{'s' * (count > 1)}, no queue delay", count, {})
            for count in (1, 2)
        ]

    @contextmanager
    def serve(self, work: base.Work, setting: base.Setting) -> Iterator[base.Running]:
        """The variant alone in a repository."""
        settings = {"instance_count": setting.instances, "threads": setting.threads}
        with tempfile.TemporaryDirectory(dir=work.folder) as folder:
            repository = Path(folder) / "models"
            deploy(work.bundle, to=repository, name=base.MODEL, variant=work.variant, settings=settings)
            with EmbeddedServer(repository, log=Path(folder) / "log") as server:
                port = int(server.http_url.rpartition(":")[2])
                yield base.Running(work.site(port), server.process_id)
