"""A connection to a Ray cluster: is there one at the address, does it fit, and has every node what the work needs?"""

from __future__ import annotations

import logging
import os
import pickle
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import ClusterError, UsageError
from ...extras import require
from .base import Work

__all__ = ["Cluster"]

_ANSWER_SECONDS = 5.0
_NODE_SECONDS = 120.0
"""Longest wait for a node's first process, which imports Ray."""

_LOOK_SECONDS, _LOST_SECONDS = 5.0, 30.0
"""Time between two looks at the head of a cluster, and longest time without its answer."""

_OBJECT_STORE = 256 * 2**20
"""Bytes of the object store of a cluster that litho starts: only numbers and hashes pass through it."""

_HOW = "run litho on a node of the cluster, with --ray auto or --ray HOST:6379"
_QUIET = ("ray", "ray.data", "ray.serve")


class Cluster:
    """A connection to a Ray cluster, as one of its drivers.

    Args:
        address: HOST:PORT of the head node, "auto" for the cluster that runs on this machine, or "local" to start one
            that ends with the connection.

    Raises:
        UsageError: the address has another form.
        MissingExtra: Ray is not installed.
        ClusterError: nothing answers there, or the cluster has another version of Ray or Python.
    """

    def __init__(self, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # sends nothing to anybody
        self.ray: Any = require("ray", "ray")
        require("ray.data", "ray")
        self.address = address
        self._ours = False
        self._answered, self._next_look = time.monotonic(), 0.0
        if self.ray.is_initialized():  # by the program that uses litho
            return
        _certificates()
        asked = _running() if address == "auto" else address
        if asked not in ("", "local"):
            self.look(asked)
        self._connect()
        self._ours = True

    @staticmethod
    def look(address: str) -> None:
        """Ask the head node itself: `ray.init` waits for a minute for one that is not there.

        Args:
            address: HOST:PORT.

        Raises:
            UsageError: the address has another form.
            ClusterError: nothing answers there, the cluster has another version of Ray, or it wants a token.
        """
        ours = require("ray", "ray").__version__
        host, colon, port = address.rpartition(":")
        if "://" in address or not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
            raise UsageError(f"--ray was given {address!r}; allowed are HOST:PORT, auto and local; {_HOW}")
        grpc: Any = require("grpc", "ray")
        messages: Any = require("ray.core.generated.gcs_service_pb2", "ray")
        token = _token()
        options = [("grpc.enable_http_proxy", 0)]
        if papers := _certificates():
            opened = grpc.secure_channel(address, grpc.ssl_channel_credentials(*papers), options=options)
        else:
            opened = grpc.insecure_channel(address, options=options)
        with opened as channel:
            ask = channel.unary_unary(
                "/ray.rpc.NodeInfoGcsService/CheckAlive",
                request_serializer=messages.CheckAliveRequest.SerializeToString,
                response_deserializer=messages.CheckAliveReply.FromString,
            )
            try:
                answer = ask(messages.CheckAliveRequest(), timeout=_ANSWER_SECONDS, metadata=token)
                theirs = answer.ray_version
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAUTHENTICATED:
                    raise ClusterError(
                        f"the Ray cluster at {address} wants its token and got {'another one' if token else 'none'};"
                        " set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or ~/.ray/auth_token to the token of its head"
                    ) from None
                raise ClusterError(
                    f"no Ray cluster answers at {address} ({_short(error)}); check the address with 'ray status', and"
                    " the network"
                ) from None
        if theirs and theirs != ours:
            raise _other_versions(address, f"Ray {theirs}", f"Ray {ours}")

    def _connect(self) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self.address == "local":
            options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        try:
            with _silenced():
                self.ray.init(address=self.address, **options)
        except Exception as error:  # Ray raises RuntimeError, ConnectionError, ValueError and others
            text = str(error)
            if (found := re.search(r"started with:\s*Ray: (\S+)\s*Python: (\S+)", text)) is not None:
                python = ".".join(map(str, sys.version_info[:3]))
                raise _other_versions(
                    self.address,
                    f"Ray {found[1]} and Python {found[2]}",
                    f"Ray {self.ray.__version__} and Python {python}",
                ) from None
            if self.address == "auto" and "any running Ray instance" in text:
                raise ClusterError(
                    "--ray auto found no Ray cluster on this machine; start one with 'ray start --head', or try"
                    " --ray local"
                ) from None
            if (found := re.search(r"Failed to connect to Ray cluster at (\S+)", text)) is not None:
                self.look(found[1])  # says why, if it can
            raise ClusterError(
                f"cannot join the Ray cluster at {self.address} ({_first_line(text)}); {_HOW}"
            ) from None
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._hush()

    def _hush(self) -> None:
        """Keep Ray's own reports of lost nodes, with pages of their state, off the terminal."""
        worker = sys.modules.get("ray._private.worker")
        if worker is not None and hasattr(worker, "print_to_stdstream"):
            worker.print_to_stdstream = lambda *args, **options: None  # pyright: ignore[reportAttributeAccessIssue]

    def nodes(self) -> dict[str, str]:
        """Name of each live node that has CPUs to give -> its id."""
        alive = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]
        return {
            node["NodeID"]: node["NodeManagerHostname"]
            if node["NodeName"] == node["NodeManagerAddress"]
            else node["NodeName"]
            for node in alive
        }

    def room(self, threads: int, on_gpu: bool) -> int:
        """Workers that the cluster has room for now, at least 1."""
        found = self.ray.cluster_resources()
        by_cpu = int(found.get("CPU", 0) // threads)
        return max(1, min(by_cpu, int(found.get("GPU", 0))) if on_gpu else by_cpu)

    def check(self, work: Work) -> None:
        """Look on every node that has CPUs for litho, its version, and what the work needs.

        Raises:
            ClusterError: a node lacks something; the message names the node.
        """
        ray = self.ray
        strategies: Any = require("ray.util.scheduling_strategies", "ray")
        if not (nodes := self.nodes()):
            raise ClusterError(
                f"the Ray cluster at {self.address} has no node with CPUs; start workers first"
            )
        look = ray.remote(num_cpus=0, max_retries=0)(_looker())
        packed = pickle.dumps(work)
        answers = {
            node: look.options(
                scheduling_strategy=strategies.NodeAffinitySchedulingStrategy(node, soft=False)
            ).remote(__version__, packed)
            for node in nodes
        }
        for node, answer in answers.items():
            try:
                complaint = ray.get(answer, timeout=_NODE_SECONDS)
            except ray.exceptions.GetTimeoutError:
                complaint = f"it started no process in {_NODE_SECONDS:.0f} s"
            except (ray.exceptions.TaskUnschedulableError, ray.exceptions.WorkerCrashedError):
                continue  # the node was lost meanwhile: the others do its pieces
            except ray.exceptions.RayError as error:
                complaint = _first_line(str(error))
            if complaint:
                raise ClusterError(f"node {nodes[node]} of the Ray cluster: {complaint}")

    def notice_loss(self) -> None:
        """Look now and then whether the head still answers; after a minute without it Ray ends this process.

        Raises:
            ClusterError: it has not answered for half a minute.
        """
        if (now := time.monotonic()) < self._next_look:
            return
        try:
            self.look(self.ray.get_runtime_context().gcs_address)
            self._answered = time.monotonic()
        except ClusterError as error:
            if now - self._answered > _LOST_SECONDS:
                self._ours = False  # a shutdown would wait for the head
                raise ClusterError(f"the Ray cluster at {self.address} was lost: {error}") from None
        self._next_look = time.monotonic() + _LOOK_SECONDS

    def close(self) -> None:
        """End the connection; a connection that another program made stays."""
        if self._ours:
            self._ours = False
            self.ray.shutdown()


def _running() -> str:
    """HOST:PORT of the head that Ray finds for "auto"; empty where it finds none, or one that litho cannot ask."""
    try:
        services: Any = import_module("ray._private.services")  # there is no public way
        found = str(services.canonicalize_bootstrap_address_or_die("auto"))
    except Exception:  # none, several, or another Ray: `ray.init` says which
        return ""
    return "" if "://" in found else found


@contextmanager
def _silenced() -> Iterator[None]:
    """Start Ray's C++ part so that it reports nothing but fatal errors; it announces that itself on standard error."""
    before, error = os.environ.get("RAY_BACKEND_LOG_LEVEL"), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.environ["RAY_BACKEND_LOG_LEVEL"] = before or "fatal"
    sys.stderr.flush()
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(error, 2)
        os.close(error)
        os.close(null)
        if before is None:
            del os.environ["RAY_BACKEND_LOG_LEVEL"]


def _certificates() -> list[bytes]:
    """Authority, key and certificate where Ray itself would use TLS, else none.

    Raises:
        ClusterError: one is missing; Ray would try for ever to reach a cluster without it.
    """
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
        return []
    parts: list[bytes] = []
    for name in ("RAY_TLS_CA_CERT", "RAY_TLS_SERVER_KEY", "RAY_TLS_SERVER_CERT"):
        given = os.environ.get(name, "")
        try:
            parts.append(Path(given).read_bytes())
        except OSError:
            raise ClusterError(
                f"RAY_USE_TLS is set, and {name} was given {given!r}; set it to a file in PEM"
            ) from None
    return parts


def _token() -> list[tuple[str, str]]:
    """Header with Ray's token, if it was switched on and there is one."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return []
    known = getattr(require("ray._raylet", "ray"), "AuthenticationTokenLoader", None)  # Ray 2.52 and later
    if known is None or not known.instance().has_token():
        return []
    return list(known.instance().get_token_for_http_header().items())


def _looker() -> Any:
    # A function inside a function travels by its code: a node without litho can run it too.
    def look(version: str, packed: bytes) -> str:
        import pickle
        from importlib import import_module

        try:
            theirs = import_module("litho").__version__
        except ImportError:
            return f"litho is not installed there; install litho {version} with the extra 'ray'"
        if theirs != version:
            return f"it has litho {theirs}, and this machine {version}; install the same version on both"
        try:
            pickle.loads(packed).check()  # noqa: S301 - from the driver of this very job
        except Exception as error:
            return " ".join(str(error).split()) or type(error).__name__
        return ""

    return look


def _other_versions(address: str, theirs: str, ours: str) -> ClusterError:
    return ClusterError(
        f"the Ray cluster at {address} runs {theirs}, and this machine {ours}; install the same versions on both"
    )


def _short(error: Any) -> str:
    details = str(error.details() or "")
    for known in ("Connection refused", "Domain name not found", "Deadline Exceeded", "No route to host"):
        if known in details:
            return known.lower()
    return "something else listens there" if error.code().name != "UNAVAILABLE" else _first_line(details)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else "no reason given"
