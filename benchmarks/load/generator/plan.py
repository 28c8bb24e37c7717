"""What a load generator is to send: where, what, when, and which answers it brings back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ....errors import UsageError
from ....runners._endpoint import Endpoint
from ....runners._triton_requests import Options, infer_request
from ....runners.triton import Access, Runner
from ....signature import Signature
from ....signature.fields import Role
from ....signature.noise import MAX_SEED

__all__ = ["Kind", "Picks", "Plan", "Site", "Transport", "kind_positions", "write_plan"]

Transport = Literal["grpc", "http", "images", "streamed"]

MOST_CONNECTIONS = 512
"""Connections of one process; requests of an open loop wait for one beyond that."""

MOST_PICKED_BYTES = 256 << 20
_SEED_OF_MESSAGE = 10**18
"""As many digits as the seeds that take its position have."""
_CALLS = "/inference.GRPCInferenceService/"

Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Site:
    """A model on a server.

    Args:
        signature: of the model.
        address: HOST:PORT.
        model: its name.
        version: of the model; empty for the server's choice.
        transport: how requests travel; "images" is the images API of litho's gateway.
        secure: whether with TLS.
        access: certificates, API key and headers.
    """

    signature: Signature
    address: str
    model: str
    version: str = ""
    transport: Transport = "grpc"
    secure: bool = False
    access: Access = field(default_factory=Access)

    @classmethod
    def of(cls, runner: Runner, http: str | None = None) -> Site:
        """Where a runner's model is.

        Args:
            runner: of an endpoint.
            http: HOST:PORT of the same server's HTTP; None for gRPC.

        Raises:
            UsageError: the model answers in a stream, which HTTP has not.
        """
        endpoint = Endpoint.parse(runner.url)
        if http is not None and runner.decoupled:
            raise UsageError(
                f"{runner.url} answers in a stream, which Triton's HTTP has not; leave out --http"
            )
        transport: Transport = "streamed" if runner.decoupled else "grpc" if http is None else "http"
        access = runner.access
        address = endpoint.address if http is None else http
        return cls(
            runner.signature, address, endpoint.model, endpoint.version, transport, endpoint.secure, access
        )


@dataclass(frozen=True)
class Kind:
    """One kind of request.

    Args:
        inputs: field name -> array of shape (pictures, ...), checked.
        preview_every: steps between two previews, 0 for none.
    """

    inputs: Inputs
    preview_every: int = 0

    @property
    def rows(self) -> int:
        """How many pictures it asks for."""
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class Picks:
    """Requests whose inputs are given, and whose pictures come back.

    Args:
        every: so many requests have one of them; `Running.pick_every` changes it.
        kinds: taken in turn.
    """

    every: int
    kinds: Sequence[Kind]


@dataclass(frozen=True)
class Plan:
    """What is sent.

    Args:
        kinds: of requests, taken in turn. Each request has a seed of its own, whatever its kind says; where there is
            no seed, a few bits that hardly matter change.
        first_seed: seed of the first picture.
        in_flight: requests kept in flight, where there are no times.
        times: when requests leave, FP64 seconds from the start, ascending; None to keep `in_flight` of them going.
        picks: requests with given inputs; None for none.
        fixed: whether requests keep the seeds of their kinds, and each kind is sent once at most.
        processes: how many; None for as many as the machine has cores to spare.
    """

    kinds: Sequence[Kind]
    first_seed: int = 0
    in_flight: int = 1
    times: NDArray[np.float64] | None = None
    picks: Picks | None = None
    fixed: bool = False
    processes: int | None = None

    def process_count(self) -> int:
        """How many processes share the load."""
        if self.processes is not None:
            return self.processes
        # One process sends some 20,000 requests a second: further ones are for servers with many cores.
        spare = max(1, len(os.sched_getaffinity(0)) // 8)
        return spare if self.times is not None else max(1, min(spare, self.in_flight // 16))


def kind_positions(plan: Plan, part: int, parts: int) -> list[int]:
    """Which kinds one process sends, in its order: together the processes send all kinds in turn."""
    count = len(plan.kinds)
    if plan.fixed:
        return list(range(part, count, parts))
    return [number % count for number in range(part, count * parts, parts)]


def write_plan(plan: Plan, site: Site, folder: Path, part: int, parts: int) -> None:
    """Write the files of one process, see `worker.plan.Plan`."""
    content = bytearray()

    def added(kinds: Sequence[Kind], *, counted: bool) -> list[list[Any]]:
        listed: list[list[Any]] = []
        for kind in kinds:
            message, offset, rule = _message(site, kind)
            size = int(np.prod(site.signature.output_shape(dict(kind.inputs))))
            listed.append([len(content), len(message), offset if counted else -1, rule, kind.rows, size])
            content.extend(message)
        return listed

    times = np.array([]) if plan.times is None else plan.times[part::parts]
    share = plan.in_flight // parts + (part < plan.in_flight % parts)
    picks = plan.picks
    kinds = [plan.kinds[position] for position in kind_positions(plan, part, parts)]
    access = site.access
    facts = {
        "transport": site.transport,
        "host": site.address.rpartition(":")[0].strip("[]"),
        "port": int(site.address.rpartition(":")[2]),
        "tls": {name: _text(getattr(access, name)) for name in ("ca", "certificate", "private_key")}
        if site.secure
        else None,
        "target": _target(site),
        "headers": list(access.metadata),
        "output": site.signature.output.name,
        "messages": added(kinds, counted=not plan.fixed),
        "first_seed": _first_seed(plan.first_seed, part),
        "stride": max(kind.rows for kind in plan.kinds),
        "in_flight": 0 if plan.times is not None else share,
        "most": len(kinds) if plan.fixed else 0,
        "connections": MOST_CONNECTIONS // parts,
        "picked": [] if picks is None else added(picks.kinds, counted=False),
        "most_picked_bytes": MOST_PICKED_BYTES // parts,
    }
    (folder / "plan.json").write_text(json.dumps(facts))
    (folder / "messages.bin").write_bytes(content)
    (folder / "times.f64").write_bytes(np.ascontiguousarray(times, np.float64).tobytes())


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _first_seed(first: int, part: int) -> int:
    # Processes count on from places of their own; none comes to the end of the seeds.
    return (first + part * 2**44) % (MAX_SEED - 2**44)


def _target(site: Site) -> str:
    if site.transport == "images":
        return "/v1/images/generations"
    if site.transport == "http":
        version = f"/versions/{site.version}" if site.version else ""
        return f"/v2/models/{site.model}{version}/infer"
    return _CALLS + ("ModelStreamInfer" if site.transport == "streamed" else "ModelInfer")


def _message(site: Site, kind: Kind) -> tuple[bytes, int, str]:
    """Bytes of a request, where its counted numbers are, and what they are."""
    if site.transport == "images":
        return _images_message(site, kind)
    options = Options(preview_every=kind.preview_every)
    request = infer_request(site.model, site.version, site.signature, kind.inputs, options)
    if site.transport != "streamed":
        # NVIDIA's clients name the output that they want, too: a server has the same to read.
        request.outputs.add(name=site.signature.output.name)
    raw = list(request.raw_input_contents)
    if site.transport == "http":
        tail = b"".join(raw)
        message = _http_head(site, request, len(tail)) + tail
        after = len(message)
        positions = []
        for content in reversed(raw):
            after -= len(content)
            positions.append(after)
    else:
        packed = request.SerializeToString()
        message = b"\0" + len(packed).to_bytes(4, "big") + packed
        after = len(message)
        positions = []
        for content in reversed(raw):
            after -= len(content)
            positions.append(after)
            after -= 1 + max(1, -(-len(content).bit_length() // 7))
    return message, *_counted(site.signature, kind, positions[::-1])


def _counted(signature: Signature, kind: Kind, positions: Sequence[int]) -> tuple[int, str]:
    for entry, position in zip(signature.inputs, positions, strict=True):
        if entry.role is Role.SEED:
            return position, "seed"
    for entry, position in zip(signature.inputs, positions, strict=True):
        array = kind.inputs[entry.name]
        if entry.role is Role.IMAGE and array.nbytes >= 8:
            return position, "bytes"
        if array.dtype == np.float32 and array.size:
            return position, "mantissa"
    return -1, ""


def _images_message(site: Site, kind: Kind) -> tuple[bytes, int, str]:
    """One request of the images API: fields of the first picture, and a number of pictures."""
    body: dict[str, Any] = {"model": site.model, "n": kind.rows}
    counted = ""
    for entry in site.signature.inputs:
        value = kind.inputs[entry.name].ravel()[0]
        if entry.role is Role.SEED:
            counted, value = f'"{entry.name}": ', np.int64(_SEED_OF_MESSAGE)
        elif entry.shape or entry.role in (Role.IMAGE, Role.MASK):
            raise UsageError(f"field {entry.name!r} does not go into a request of the images API for a load")
        body[entry.name] = (
            value.decode() if isinstance(value, bytes) else getattr(value, "item", lambda v=value: v)()
        )
    words = json.dumps(body).encode()
    message = _head(site, "application/json", {}, len(words)) + words
    if not counted:
        return message, -1, ""
    return message, message.rindex(counted.encode()) + len(counted), "digits"


def _head(site: Site, kind: str, further: Mapping[str, str], size: int) -> bytes:
    headers = {
        "Host": site.address,
        "User-Agent": "litho-load",
        "Accept": "*/*",
        "Content-Type": kind,
        **further,
        "Content-Length": str(size),
        **dict(site.access.metadata),
    }
    lines = [f"POST {_target(site)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _http_head(site: Site, request: Any, size: int) -> bytes:
    inputs = [
        {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
            "parameters": {"binary_data_size": len(content)},
        }
        for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
    ]
    outputs = [{"name": tensor.name, "parameters": {"binary_data": True}} for tensor in request.outputs]
    words = json.dumps({"inputs": inputs, "outputs": outputs}).encode()
    further = {"Inference-Header-Content-Length": str(len(words))}
    return _head(site, "application/octet-stream", further, len(words) + size) + words
