"""Pictures of the gateway made again: `python -m litho.benchmarks.provenance BUNDLE [OTHER]`.

A server and a gateway with a key and an audit log make pictures in all formats. Each is made again from its receipt:
by the same server, in a batch, after a restart of the server, by the bundle in other batches, and by every variant of
the bundle that passed its gate. With OTHER, a bundle of the same signature, that one is deployed and rolled back while
a client asks: the pictures around each change are made again by the bundle that their receipts name. Then each digit
of a receipt is altered, each line of the audit log is removed, and everything has to be found out. Written to
`results/provenance.json`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import numpy as np
import typer

from ...bundle import MANIFEST_NAME, Bundle
from ...bundle.keys import PublicKey
from ...errors import AuditError, LithoError
from ...extras import require
from ...serving.gateway.program import Program
from ...serving.gateway.settings import GatewaySettings
from ...serving.provenance.audit_check import verify_log
from ...serving.provenance.receipt import parse_receipt
from ...serving.provenance.reproduce import Again, Reproduction, read_picture_receipt, reproduce
from ...serving.repository.deploy import deploy
from ...serving.repository.operations import rollback
from ...serving.server.embedded import EmbeddedServer
from ...signature.fields import Role
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.key_pair import make_key_pair
from ..shared.machine import describe_machine
from .documents import Found, Provenance, Way, table

__all__ = ["main", "measure"]

RESULT = RESULTS / "provenance.json"
NAME = "model"
BATCHES = (1, 7, 64)
START_SECONDS = 120
NEAR = 3
"""Pictures before and after a change of the version that are made again."""

FORMATS: tuple[dict[str, Any], ...] = (
    {"output_format": "png"},
    {"output_format": "jpeg", "output_compression": 85},
    {"output_format": "webp", "output_compression": 85},
    {"output_format": "webp", "output_compression": 100},
)


def measure(bundle: Path, other: Path | None = None, pictures: int = 12) -> Provenance:
    """Make pictures, make them again, and alter what they say.

    Args:
        bundle: that is served.
        other: of the same signature, which replaces it under load; None leaves that out.
        pictures: how many, in four formats in turn.

    Raises:
        LithoError: a server or gateway did not start.
    """
    loaded = Bundle.load(bundle)
    with tempfile.TemporaryDirectory(prefix="provenance-") as temporary:
        folder = Path(temporary)
        require("cryptography", "sign")
        private, public_file = make_key_pair(folder)
        public = PublicKey.read(public_file)
        log, repository = folder / "audit.jsonl", folder / "repository"
        deploy(bundle, to=repository, name=NAME)
        with EmbeddedServer(repository) as server:
            settings = {"server": server.grpc_url, "port": 0, "receipt_key": private, "audit_log": log}
            with _gateway(settings) as url:
                files = [_asked(folder, url, loaded, number) for number in range(pictures)]
            endpoint = f"{server.grpc_url}/{NAME}"
            most = min(7, _most_of(endpoint))
            ways = [
                _way("by the same server", files, endpoint, Again(), public),
                _way(f"by the same server in a batch of {most}", files, endpoint, Again(batch=most), public),
            ]
        with EmbeddedServer(repository) as server:
            ways.append(_way("after a restart", files, f"{server.grpc_url}/{NAME}", Again(), public))
            if other is not None:
                settings = {"server": server.grpc_url, "port": 0, "receipt_key": private}
                ways.append(_during_a_rollout(folder, settings, (bundle, other), public))
        for batch in BATCHES:
            ways.append(
                _way(f"by the bundle in a batch of {batch}", files, bundle, Again(batch=batch), public)
            )
        ways += [
            _way(f"by variant {name}", files, bundle, Again(variant=name), public)
            for name in _variants(loaded)
        ]
        alterations = (_altered_receipts(files[0], public), _removed_lines(log))
    return Provenance(
        bundle=loaded.manifest.name, ways=tuple(ways), alterations=alterations, machine=describe_machine()
    )


@contextmanager
def _gateway(settings: Mapping[str, Any]) -> Iterator[str]:
    """A gateway in a thread, and its address."""
    program = Program(GatewaySettings.model_validate(settings))
    thread = Thread(target=program.run, name="gateway")
    thread.start()
    try:
        if not program.wait(START_SECONDS) or not thread.is_alive():
            raise LithoError("the gateway did not start")
        yield program.url
    finally:
        program.stop()
        thread.join()


def _most_of(endpoint: str) -> int:
    """Largest batch of an endpoint."""
    from ...runners import open_runner

    with open_runner(endpoint) as runner:
        return runner.max_batch_size


def _asked(folder: Path, url: str, bundle: Bundle, number: int) -> Path:
    """A picture of the gateway, in a file."""
    signature = bundle.manifest.signature
    example = signature.example(1, seed=number)
    fields = {
        field.name: np.asarray(example[field.name][0]).tolist()
        for field in signature.inputs
        if field.role not in (Role.IMAGE, Role.MASK)
    }
    asked = {"model": NAME, **fields, **FORMATS[number % len(FORMATS)]}
    request = urllib.request.Request(  # noqa: S310 - the gateway of this process
        f"{url}/v1/images/generations",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        (picture,) = json.load(answer)["data"]
    file = folder / f"{number}.{asked['output_format']}"
    file.write_bytes(base64.b64decode(picture["b64_json"]))
    if read_picture_receipt(file).to_document() != picture["receipt"]:
        raise LithoError("the receipt in the file is not the one in the answer")
    return file


def _way(way: str, files: list[Path], target: Path | str, again: Again, key: PublicKey) -> Way:
    return _summary(way, [reproduce(file, target, again, key=key) for file in files])


def _summary(way: str, made: list[Reproduction]) -> Way:
    lossless = [
        one.judgement.difference
        for one in made
        if one.receipt.quality is None and one.judgement.difference is not None
    ]
    return Way(
        way=way,
        grade=_grade(made[0]),
        pictures=len(made),
        same=sum(one.judgement.same for one in made),
        identical=sum(one.judgement.identical for one in made),
        most_levels=max(one.levels for one in lossless),
        least_psnr_db=round(min(one.psnr_db for one in lossless), 1),
    )


def _during_a_rollout(
    folder: Path, settings: Mapping[str, Any], bundles: tuple[Path, Path], key: PublicKey
) -> Way:
    """Pictures around two changes of the version, made again by the bundles that their receipts name."""
    loaded = Bundle.load(bundles[0])
    by_hash = {hashlib.sha256((one / MANIFEST_NAME).read_bytes()).hexdigest(): one for one in bundles}
    pictures = folder / "rollout"
    pictures.mkdir()
    files: list[Path] = []
    ended = Event()
    # The gateway is not to look by itself: receipts have to be right before it does.
    with _gateway({**settings, "refresh_seconds": 600}) as url, ThreadPoolExecutor(1) as pool:

        def ask() -> None:
            while not ended.is_set():
                files.append(_asked(pictures, url, loaded, 4 * len(files)))

        asking = pool.submit(ask)
        try:
            deploy(bundles[1], to=folder / "repository", name=NAME, server=settings["server"])
            rollback(folder / "repository", NAME, server=settings["server"])
        finally:
            ended.set()
        asking.result()
    hashes = [read_picture_receipt(file).bundle_sha256 for file in files]
    changes = [at for at in range(1, len(files)) if hashes[at] != hashes[at - 1]]
    near = sorted(
        {at for change in changes for at in range(change - NEAR, change + NEAR) if 0 <= at < len(files)}
    )
    if len(changes) != len(bundles):
        raise LithoError(
            f"the receipts name {len(changes)} changes of the version; there were {len(bundles)}"
        )
    made = [reproduce(files[at], by_hash[hashes[at]], key=key) for at in near]
    return _summary(f"around {len(changes)} changes of the version", made)


def _grade(made: Reproduction) -> str:
    weak = any("same distribution" in one for one in made.notes)
    return "same distribution" if weak else "same picture"


def _variants(bundle: Bundle) -> list[str]:
    """Variants of a bundle of one stage that passed and need no GPU."""
    manifest = bundle.manifest
    if manifest.sampler is not None:
        return []
    passed = (one for one in manifest.variants if one.verdict.status == "passed" and one.target is None)
    return [one.name for one in passed]


def _altered_receipts(file: Path, key: PublicKey) -> Found:
    """Every digit of a receipt, replaced by the next one."""
    text = read_picture_receipt(file).to_json()
    digits = [one.start() for one in re.finditer(r"\d", text)]
    found = 0
    for at in digits:
        changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
        try:
            parse_receipt(changed.encode()).check(key)
        except LithoError:
            found += 1
    return Found(kind="a digit of a receipt was altered", altered=len(digits), found=found)


def _removed_lines(log: Path) -> Found:
    """Every line of an audit log, removed."""
    verify_log(log)
    lines = log.read_bytes().splitlines(keepends=True)
    found = 0
    for at in range(len(lines)):
        log.write_bytes(b"".join(line for number, line in enumerate(lines) if number != at))
        try:
            verify_log(log)
        except AuditError:
            found += 1
    return Found(kind="a line of the audit log was removed", altered=len(lines), found=found)


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle that is served.", show_default=False)],
    other: Annotated[
        Path | None,
        typer.Argument(help="Bundle of the same signature that replaces it under load.", show_default=False),
    ] = None,
    pictures: Annotated[int, typer.Option(help="How many are made and made again.", min=4)] = 12,
    output: Output = RESULT,
) -> None:
    """Make pictures through the gateway, and make them again from their receipts."""
    with errors_of("provenance", output):
        result = measure(bundle, other, pictures)
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))
