"""Control of a running Triton server over gRPC: what it serves, and loading and unloading its models.

Any Triton server in explicit mode (`--model-control-mode=explicit`) can be controlled, as the embedded server can. Its
id (`--id`) tells whether the process that listens on a port is the expected one.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import grpc
from google.protobuf import json_format
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from ...errors import EndpointError, ServerError, UsageError
from ...runners.triton import ServerStatistics
from .lacking_backend import plain_refusal

__all__ = ["CONTROL_HEADER", "ModelState", "ServerControl"]

messages: Any = service_pb2  # protobuf creates its classes at import time
triton: Any = model_config_pb2

ModelConfig: TypeAlias = Any
"""Triton's message of that name, which type checkers cannot see."""

CONTROL_HEADER = "litho-control"
"""What Triton calls the key that a restricted server asks for, in its option `--grpc-restricted-protocol`."""

ASK_SECONDS = 10.0
"""Longest time to wait for an answer that needs no model."""

LOAD_SECONDS = 600.0
"""Longest time to wait until a model is loaded and warm, or unloaded."""

_POLL_SECONDS = 0.05

_FORM = re.compile(r"grpc://([^/\s]+:\d+)/?")
_LOOPBACK = ("127.", "localhost", "[::1]")
_UNREACHABLE = (
    "failed to connect",
    "errors resolving",
    "DNS resolution failed",
    "Socket closed",
    "Connection reset",
    "Server not ready",
)
_RESTRICTED = "protocol is restricted"
_NOT_EXPLICIT = "explicit model load / unload is not allowed"
_CAUSES = (
    re.compile(
        r"is at UNAVAILABLE state: (?:Internal: |Invalid argument: )?(?:TritonModelException: )?(.*?);?$"
    ),
    re.compile(r"^load failed for model '[^']*': (.*?);?$"),
)
_TRACEBACK = re.compile(r" At: /.*$")
"""Lines of Triton's Python backend behind the message of a model."""


@dataclass(frozen=True)
class ModelState:
    """What a server says of one version of a model.

    Args:
        model: its name.
        version: number of the version; None for a model of which no version was ever loaded.
        state: READY, LOADING, UNLOADING or UNAVAILABLE; empty before the first load.
        reason: of a state other than READY.
    """

    model: str
    version: int | None
    state: str
    reason: str = ""

    @property
    def held(self) -> bool:
        """Whether the server keeps it in memory, be it for the first requests to come or for the last ones."""
        return self.state in ("READY", "LOADING", "UNLOADING")


class ServerControl:
    """A running Triton server, seen by whoever operates it.

        >>> with ServerControl("grpc://127.0.0.1:8001") as server:
        ...     server.load("digits")
        ...     server.live_versions("digits")
        [2]

    Args:
        url: the server's gRPC endpoint, grpc://HOST:PORT.
        key: of a server that takes orders only from who has it; the server's advertisement has the key.

    Raises:
        UsageError: the address has another form.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        match = _FORM.fullmatch(url)
        if match is None:
            raise UsageError(f"invalid server {url!r}; expected grpc://HOST:PORT")
        address = match[1]
        self.url = f"grpc://{address}"
        # A proxy cannot reach this machine's loopback.
        options = [("grpc.enable_http_proxy", 0)] if address.startswith(_LOOPBACK) else []
        self._channel = grpc.insecure_channel(address, options)
        self._stub: Any = GRPCInferenceServiceStub(self._channel)
        self._metadata = () if key is None else ((f"triton-grpc-protocol-{CONTROL_HEADER}", key),)

    def __repr__(self) -> str:
        return f"<ServerControl of {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._channel.close()

    def ready(self) -> bool:
        """Whether the server answers and all of its models are loaded."""
        try:
            return self._stub.ServerReady(messages.ServerReadyRequest(), timeout=ASK_SECONDS).ready
        except grpc.RpcError:
            return False

    def identity(self) -> str:
        """The server's id, which the option `--id` of tritonserver sets.

        Raises:
            EndpointError: the server does not answer.
        """
        return self._ask(self._stub.ServerMetadata, messages.ServerMetadataRequest()).name

    def index(self) -> list[ModelState]:
        """All versions of all models that the server knows, in no order; old versions stay listed as unavailable.

        Raises:
            EndpointError: the server does not answer.
        """
        listed = self._ask(self._stub.RepositoryIndex, messages.RepositoryIndexRequest()).models
        return [
            ModelState(one.name, int(one.version) if one.version else None, one.state, one.reason)
            for one in listed
        ]

    def live_versions(self, model: str) -> list[int]:
        """The versions of a model that answer requests, in rising order; empty if there is none.

        Raises:
            EndpointError: the server does not answer.
        """
        return sorted(
            state.version
            for state in self.index()
            if state.model == model and state.state == "READY" and state.version is not None
        )

    def model_config(self, model: str, version: int | None = None) -> ModelConfig:
        """The configuration with which a version of a model was loaded; by default of the one that is served.

        Raises:
            EndpointError: the server does not answer, or does not serve the model.
        """
        request = messages.ModelConfigRequest(name=model, version=_text(version))
        return self._ask(self._stub.ModelConfig, request).config

    def statistics(self, model: str) -> dict[int, ServerStatistics]:
        """The counters of every loaded version of a model.

        Raises:
            EndpointError: the server does not answer, or does not serve the model.
        """
        counted = self._ask(
            self._stub.ModelStatistics, messages.ModelStatisticsRequest(name=model)
        ).model_stats
        return {int(one.version): ServerStatistics.of(one) for one in counted}

    def load(
        self, model: str, config: ModelConfig | None = None, *, timeout_seconds: float = LOAD_SECONDS
    ) -> None:
        """Load a model from the server's repository, or anew what has changed, and wait until it is warm.

        Versions that the configuration no longer serves are dropped after the new ones answer, so that no request
        fails. If the load fails, the versions loaded before stay. Triton loads nothing if neither a file of the
        model nor its configuration has changed.

        Args:
            model: its name.
            config: in place of the repository's config.pbtxt.
            timeout_seconds: longest time to wait.

        Raises:
            ServerError: the model could not be loaded; the message has the server's reason.
            EndpointError: the server does not answer, or is not in explicit mode.
        """
        request = messages.RepositoryModelLoadRequest(model_name=model)
        if config is not None:
            text = json_format.MessageToJson(config, preserving_proto_field_name=True, indent=None)
            request.parameters["config"].string_param = text
        self._order(self._stub.RepositoryModelLoad, request, f"load {model}", timeout_seconds)

    def unload(self, model: str, *, timeout_seconds: float = LOAD_SECONDS) -> None:
        """Unload all versions of a model and wait until they are gone; an unknown model is no error.

        Requests that the model has are answered first; new ones are refused at once.

        Raises:
            ServerError: the server refuses, or the model is still there after this time.
            EndpointError: the server does not answer, or is not in explicit mode.
        """
        deadline = time.monotonic() + timeout_seconds
        request = messages.RepositoryModelUnloadRequest(model_name=model)
        self._order(self._stub.RepositoryModelUnload, request, f"unload {model}", timeout_seconds)
        self.wait_for(model, (), seconds=deadline - time.monotonic())

    def wait_for(self, model: str, versions: Collection[int], *, seconds: float = LOAD_SECONDS) -> None:
        """Wait until these versions of a model are all that the server still holds: it drops others in its own time.

        Raises:
            ServerError: it holds others, or not all of these, after this time.
            EndpointError: the server does not answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            held = {one.version: one.state for one in self.index() if one.model == model and one.held}
            if held == dict.fromkeys(versions, "READY"):
                return
            if time.monotonic() > deadline:
                said = ", ".join(f"version {version} {state}" for version, state in sorted(held.items()))
                raise ServerError(f"{self.url} holds {said or 'nothing'} of {model} after {seconds:.0f} s")
            time.sleep(_POLL_SECONDS)

    def _order(self, method: Callable[..., Any], request: Any, order: str, timeout_seconds: float) -> None:
        try:
            method(request, timeout=timeout_seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            details = _details(error)
            if _RESTRICTED in details:
                raise self._restricted() from None
            if _NOT_EXPLICIT in details:
                raise EndpointError(
                    f"{self.url} does not let models be loaded while it runs; start it with 'litho serve', or with"
                    " --model-control-mode=explicit"
                ) from None
            if _transport_failed(error):
                raise self._unanswered(error, timeout_seconds) from None
            raise ServerError(f"{self.url} could not {order}: {_cause(details)}") from None

    def _ask(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=ASK_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._unanswered(error, ASK_SECONDS) from None

    def _restricted(self) -> EndpointError:
        return EndpointError(
            f"{self.url} takes orders only from who has its key; run the command on its machine, where its repository"
            " is, without --server"
        )

    def _unanswered(self, error: Any, seconds: float) -> EndpointError:
        details = _details(error)
        if _RESTRICTED in details:
            return self._restricted()
        match error.code():
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                return EndpointError(f"{self.url} did not answer within {seconds:g} s")
            case grpc.StatusCode.UNAVAILABLE:
                return EndpointError(
                    f"cannot reach {self.url}: {details.rpartition(': ')[2].strip(']').lower()}; check the address,"
                    " or start 'litho serve'"
                )
            case _:
                return EndpointError(f"{self.url} refused: {details}")


def _transport_failed(error: Any) -> bool:
    """Whether the connection failed, and not what was asked for: Triton says UNAVAILABLE of a model as well."""
    if error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return True
    return error.code() == grpc.StatusCode.UNAVAILABLE and any(
        sign in _details(error) for sign in _UNREACHABLE
    )


def _cause(details: str) -> str:
    for pattern in _CAUSES:
        if match := pattern.search(details):
            return plain_refusal(_TRACEBACK.sub("", match[1]))
    return plain_refusal(details)


def _details(error: Any) -> str:
    return " ".join((error.details() or "no reason given").split())


def _text(version: int | None) -> str:
    return "" if version is None else str(version)
