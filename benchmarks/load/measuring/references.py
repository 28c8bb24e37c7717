"""Where the right pictures come from that a load's pictures are checked against, and the check itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bundle import Bundle
from ....bundle.probes import Probes
from ....errors import BundleError, DeployError, LithoError, MissingExtra, UnknownName, UsageError
from ....extras import require
from ....parity.gate import Gate, Replay, judge, limits
from ....parity.metrics import psnr_db
from ....runners import Runner
from ....runners.triton import ServedModel
from ....serving.repository.versions import current
from ...shared.targets import address_of
from ..documents.measurement import Measurement
from ..documents.quality import Quality
from .server_process import server_process

__all__ = ["PICTURES", "Reference", "reference_of"]

PICTURES = 64
"""Probes that a server is asked alone, where no bundle has any."""

_FEWEST_FOR_MEANS = 32
"""Different pictures from which on limits of their mean apply: the gate's banks have 64."""

_DISTINCT_DB, _DISTINCT_SHARE = 10.0, 0.99
"""A precision without limits of a single picture gets these: so far below the limit of the mean, a picture counts as
another one, and at most one of a hundred may. The gate needs none, because it looks at the set as a whole."""

_DEFAULT_PRECISION = "fp32"
_BANK = "under load"
_ALONE = "the server's own pictures of the same inputs, asked one by one before the load"


@dataclass(frozen=True)
class Reference:
    """Inputs with the right pictures, and how near pictures must come to them.

    Args:
        probes: the inputs and pictures.
        gate: the limits of a precision.
        against: where the pictures come from, in words.
        precision: whose limits these are.
        alone: whether they only show that load changes nothing: the server made them itself.
        bundle: that the pictures come from; None where it is not known.
    """

    probes: Probes
    gate: Gate
    against: str
    precision: str
    alone: bool = False
    bundle: Bundle | None = None

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """Field name -> array of shape (probes, ...)."""
        return self.probes.inputs

    def judged(self, measurement: Measurement) -> Quality | None:
        """The quality of the pictures of a measurement that belong to these probes; None if there are none."""
        picked = measurement.picked
        if picked is None or not len(picked.numbers):
            return None
        pictures, right = self.probes.strided(picked.pictures), self.probes.images[picked.numbers]
        gate = _of_single_pictures(self.gate, len(np.unique(picked.numbers)))
        # SSIM has no limit and takes longer than everything else: a bank of its own has none.
        verdict = judge([Replay(pictures, right, bank=_BANK)], gate)
        alike = pictures.shape == right.shape
        wrong = _wrong(pictures, right, gate) if alike else len(right)
        reason = ""
        if verdict.status == "failed":
            said = verdict.reason.replace(f"{_BANK}: ", "")
            said = said.replace("PyTorch's", "those of the server asked alone") if self.alone else said
            count = f"{wrong} of {len(right)} checked"
            reason = f"wrong pictures came back under load ({count}, against {self.against}): {said}"
        difference = np.abs(pictures.astype(np.int16) - right.astype(np.int16)).max() if alike else None
        return Quality(
            pictures=len(right),
            wrong=wrong,
            worst_difference=None if difference is None else float(difference),
            psnr_min_db=float(psnr_db(pictures, right).min()) if alike else None,
            against=self.against,
            precision=self.precision,
            reason=reason,
        )


def reference_of(
    runner: Runner, bundle: Path | Bundle | None = None, alone_seconds: float = 10.0
) -> Reference | None:
    """What the pictures of a runner are checked against.

    The probes are those of `bundle`; else of the bundle that a server on this machine serves, which its repository
    holds; else the server's own pictures of example inputs, asked one by one.

    Args:
        runner: the measured runner.
        bundle: that the runner was made from; None to look for it.
        alone_seconds: after so long, no further picture is asked for alone.

    Returns:
        None for a runner of this process without a bundle: nothing stands between it and its pictures.

    Raises:
        UsageError: `bundle` takes other inputs than the runner, or was made from other weights.
        LithoError: the server does not answer.
    """
    served = getattr(runner, "served", None)
    found = None
    if bundle is not None:
        found = bundle if isinstance(bundle, Bundle) else Bundle.load(bundle)
        _check_same(runner, served, found)
    elif served is not None:
        found = _repository_bundle(runner, served)
    precision = runner.precision or _DEFAULT_PRECISION
    if found is None and served is None:
        return None
    if found is None:
        return Reference(
            _asked_alone(runner, alone_seconds), _limits(precision), _ALONE, precision, alone=True
        )
    gate = _limits(precision, found)
    against = f"the probes of bundle {found.manifest.name}"
    return Reference(found.probes(), gate, against, precision, bundle=found)


def _limits(precision: str, bundle: Bundle | None = None) -> Gate:
    sampler = None if bundle is None else bundle.manifest.sampler
    names = [name.strip() for name in precision.split(",")]
    try:
        return limits(*names, sampler=sampler)
    except UnknownName:  # of a newer litho
        return limits(_DEFAULT_PRECISION, sampler=sampler)


def _check_same(runner: Runner, served: ServedModel | None, bundle: Bundle) -> None:
    fields = [
        sorted(field.name for field in one.inputs) for one in (bundle.manifest.signature, runner.signature)
    ]
    if fields[0] != fields[1]:
        raise UsageError(
            f"--bundle {bundle.path} takes {fields[0]}, {runner.description} takes {fields[1]}; give the bundle that"
            " it was made from"
        )
    if served is not None and served.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
        raise UsageError(
            f"--bundle {bundle.path} was made from checkpoint {bundle.manifest.checkpoint_sha256[:12]},"
            f" {address_of(runner)} serves {served.checkpoint_sha256[:12]}; give the bundle that was deployed"
        )


def _repository_bundle(runner: Runner, served: ServedModel) -> Bundle | None:
    """The bundle that a server on this machine serves, from its repository; None if that is not to be found."""
    try:
        process_id = server_process(address_of(runner))
    except MissingExtra:
        return None
    repository = None if process_id is None else _repository_of(process_id)
    if repository is None:
        return None
    model = repository / address_of(runner).partition("://")[2].split("/")[1]
    try:
        deployment = current(model)
        if deployment is None or deployment.served.checkpoint_sha256 != served.checkpoint_sha256:
            return None
        bundle = Bundle.load(model / str(deployment.version) / "bundle")
        return bundle if bundle.manifest.checkpoint_sha256 == served.checkpoint_sha256 else None
    except (BundleError, DeployError, OSError):
        return None


def _repository_of(process_id: int) -> Path | None:
    """The model repository that a Triton process was started with."""
    psutil = require("psutil", "bench")
    try:
        process = psutil.Process(process_id)
        words, folder = process.cmdline(), Path(process.cwd())
    except psutil.Error:  # it ended, or belongs to somebody else
        return None
    option = "--model-repository="
    named = [word.removeprefix(option) for word in words if word.startswith(option)]
    return folder / named[0] if named else None


def _asked_alone(runner: Runner, seconds: float) -> Probes:
    """Inputs and pictures of single requests; those that fail are left out, and the load will show how many do."""
    inputs = runner.signature.example(PICTURES, seed=PICTURES)
    output = runner.signature.output.name
    images: dict[int, NDArray[np.uint8]] = {}
    failure: LithoError | None = None
    until = time.perf_counter() + seconds
    for row in range(PICTURES):
        try:
            images[row] = runner.run({name: values[row : row + 1] for name, values in inputs.items()})[output]
        except LithoError as error:
            failure = error
        if images and time.perf_counter() > until:
            break
    if not images:
        assert failure is not None, "something was asked"
        raise type(failure)(f"asked alone, before any load: {failure}") from None
    rows = list(images)
    return Probes(
        {name: values[rows] for name, values in inputs.items()}, np.concatenate(list(images.values()))
    )


def _of_single_pictures(gate: Gate, different: int) -> Gate:
    """Limits for pictures of `different` inputs, which are fewer and asked again, unlike a gate's probes."""
    if gate.max_abs_levels is None and gate.min_psnr_db is None and gate.mean_psnr_db is not None:
        gate = replace(gate, min_psnr_db=gate.mean_psnr_db - _DISTINCT_DB, share=_DISTINCT_SHARE)
    return replace(gate, mean_psnr_db=None) if different < _FEWEST_FOR_MEANS else gate


def _wrong(pictures: NDArray[np.uint8], right: NDArray[np.uint8], gate: Gate) -> int:
    """How many pictures are outside the limits of a single picture."""
    outside = np.zeros(len(right), bool)
    if gate.max_abs_levels is not None:
        difference = np.abs(pictures.astype(np.int16) - right.astype(np.int16))
        outside |= difference.max(axis=(1, 2, 3)) > gate.max_abs_levels
    if gate.min_psnr_db is not None:
        outside |= psnr_db(pictures, right) < gate.min_psnr_db
    return int(outside.sum())
