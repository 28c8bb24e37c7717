"""Refresh a bundle's report after engines were added; needs no torch."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from ...bundle import REPORT_NAME, Bundle
from ...errors import LithoError, MissingExtra
from ...extras import require
from ...parity.replay import replay
from ...parity.verify import with_other_stages
from ...reporting.progress import Progress, quiet
from ...runners import open_runner
from .page import render_report

__all__ = ["refresh_report"]

_CONTENT = "<main>"
"""Start of every page's content."""


def refresh_report(bundle: Bundle, progress: Progress = quiet) -> str:
    """Render the report of the manifest, with new pictures of every variant that was run and runs here.

    Args:
        bundle: its manifest may be newer than the one on disk.
        progress: receives what is being done.

    Returns:
        An HTML page. Without the packages that render pages, it is the old page with a remark at its top.
    """
    try:
        for package in ("jinja2", "matplotlib"):
            require(package, "bench")
    except MissingExtra as error:
        return _with_remark(bundle, str(error))
    probes = bundle.probes()
    pictures: dict[str, NDArray[np.uint8]] = {}
    absent: dict[str, str] = {}
    known: dict[str, NDArray[np.uint8]] = {}
    for number, variant in enumerate(bundle.manifest.variants):
        if variant.verdict.status == "not_run":
            continue
        progress(f"making the pictures of {variant.name}", number / len(bundle.manifest.variants))
        names = with_other_stages(bundle, variant)
        try:
            if names not in known:
                with open_runner(bundle, names) as runner:
                    known[names] = replay(runner, probes, len(probes.images))
            pictures[variant.name] = known[names]
        except LithoError as error:
            absent[variant.name] = str(error)
    return render_report(bundle.manifest, probes, pictures, absent)


def _with_remark(bundle: Bundle, why: str) -> str:
    """The old page with a sentence at its top that names the engines it may lack."""
    engines = ", ".join(one.name for one in bundle.manifest.variants if one.engine is not None)
    remark = escape(f"This page was not refreshed when engines were added ({why}). The bundle has {engines}.")
    page = bundle.read(REPORT_NAME).decode() if REPORT_NAME in bundle.manifest.files else _CONTENT
    return page.replace(_CONTENT, f'{_CONTENT}\n<ul class="remarks"><li>{remark}</li></ul>', 1)
