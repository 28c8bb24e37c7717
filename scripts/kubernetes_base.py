"""Write the base and the canary of deploy/kustomize from the Helm chart: `make kubernetes`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import litho
from litho.files import write_bytes
from litho.serving.manifests.rendering import objects_in, render, to_text

KUSTOMIZE = Path(litho.__file__).parent / "deploy" / "kustomize"
HEAD = "# Written from deploy/charts/litho by scripts/kubernetes_base.py; change the chart.\n"
VALUES: dict[str, Any] = {
    "models": [],
    "trust": {"pinned": False},
    "gateway": {"keysSecret": "litho-keys", "tlsSecret": "litho-tls"},
}
"""A claim `models`, Secrets for keys and TLS, and no pins: those of `litho manifest` belong to models."""


def written() -> dict[str, str]:
    """Path below deploy/kustomize -> content."""
    canary = {**VALUES, "canary": {"enabled": True, "source": {"claim": "models-canary"}}}
    stable, both = (_objects(values) for values in (VALUES, canary))
    extra = [one for one in both if one not in stable]
    return {
        "base/litho.yaml": _text(stable),
        "overlays/canary/litho-canary.yaml": _text(extra),
    }


def _objects(values: dict[str, Any]) -> list[dict[str, Any]]:
    found = objects_in(render("litho", "default", values))
    for one in found:
        del one["metadata"]["namespace"]  # Kustomize sets it
        one["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "kustomize"
        template = one.get("spec", {}).get("template")
        if template is not None:
            template["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "kustomize"
    return found


def _text(objects: list[dict[str, Any]]) -> str:
    return HEAD + "---\n".join(to_text(one) for one in objects)


def main() -> int:
    """Write the files; the number of those that changed is shown."""
    changed = 0
    for path, text in written().items():
        target = KUSTOMIZE / path
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            write_bytes(target, text)
            changed += 1
    print(f"{changed} files changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
