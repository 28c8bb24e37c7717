"""Where a cluster finds the repository: a volume, object storage, or an OCI image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ...errors import UsageError

__all__ = ["Source"]

_FORMS = "pvc://CLAIM[/FOLDER], s3://BUCKET/PREFIX, or oci://NAME@sha256:DIGEST"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """Where the pods take the repository from.

    Args:
        kind: "pvc" for a PersistentVolumeClaim, "s3" for object storage, "image" for an OCI image that is mounted.
        where: name of the claim, URL, or image with its digest.
        path: folder in the claim's volume.
        secret: of object storage, name of the Secret with its credentials; empty for the service account's rights.
    """

    kind: Literal["pvc", "s3", "image"]
    where: str
    path: str = ""
    secret: str = ""

    @classmethod
    def parse(cls, text: str, secret: str | None = None) -> Source:
        """Read one of the three forms.

        Raises:
            UsageError: it has another form, or a secret is given where nothing would use it.
        """
        scheme, _, rest = text.partition("://")
        if secret is not None and scheme != "s3":
            raise UsageError(
                f"--source-secret is for s3://BUCKET/PREFIX, and --source is {text!r}; leave it out"
            )
        if scheme == "pvc":
            claim, _, path = rest.partition("/")
            parts = path.split("/")
            if _NAME.fullmatch(claim) and ".." not in parts:
                return cls("pvc", claim, path.strip("/"))
        elif scheme == "s3" and rest.strip("/"):
            return cls("s3", text.rstrip("/"), secret=secret or "")
        elif scheme == "oci" and _DIGEST.fullmatch(rest):
            return cls("image", rest)
        elif scheme == "oci":
            raise UsageError(
                f"--source was given {text!r}; a tag may be moved, so name the image by its digest:"
                " oci://NAME@sha256:DIGEST"
            )
        raise UsageError(f"--source was given {text!r}; allowed are {_FORMS}")

    def to_values(self) -> dict[str, Any]:
        """The chart's `source`."""
        if self.kind == "pvc":
            return {"kind": "pvc", "claim": self.where, "path": self.path}
        if self.kind == "s3":
            return {"kind": "s3", "url": self.where, "secret": self.secret}
        return {"kind": "image", "image": self.where}
