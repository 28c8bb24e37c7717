"""Which clusters are refused, each in one line and fast."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from litho.errors import ClusterError, UsageError
from litho.runners._pools import ray_cluster
from litho.runners._pools.ray_cluster import Cluster

from ...papers import make_papers

pytest.importorskip("ray")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "kind", "complaint"),
    [
        ("nowhere", UsageError, "allowed are HOST:PORT, auto and local"),
        ("ray://127.0.0.1:10001", UsageError, "run litho on a node of the cluster"),
        ("127.0.0.1:70000", UsageError, "allowed are HOST:PORT"),
        ("127.0.0.1:1", ClusterError, "no Ray cluster answers at 127.0.0.1:1 (connection refused)"),
        ("absent.invalid:6379", ClusterError, "no Ray cluster answers at absent.invalid:6379"),
    ],
)
def test_a_wrong_address_is_refused_before_ray_waits_for_it(
    address: str, kind: type[Exception], complaint: str
) -> None:
    with pytest.raises(kind) as refused:
        Cluster(address)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_what_listens_and_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "_ANSWER_SECONDS", 0.5)  # ray.init would wait for a minute and more
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(ClusterError, match=r"no Ray cluster answers .* \(deadline exceeded\)"),
    ):
        Cluster(f"127.0.0.1:{silent.getsockname()[1]}")


OTHER_VERSION = """
import sys, ray
from litho.runners._pools.ray_cluster import Cluster

ray.__version__ = "2.1.0"
try:
    Cluster(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
def test_a_cluster_of_another_version_is_refused(ray_address: str) -> None:
    done = subprocess.run([sys.executable, "-c", OTHER_VERSION, ray_address], capture_output=True, text=True)
    assert done.stdout.startswith(f"ClusterError the Ray cluster at {ray_address} runs Ray 2."), done.stderr
    assert done.stdout.endswith("and this machine Ray 2.1.0; install the same versions on both\n")


@contextmanager
def guarded(token: str, papers: Any = None, asked: list[str] | None = None) -> Iterator[int]:
    """Port of what answers like a head of Ray that takes only who sends `token`; with TLS if there are papers.

    The methods that it is asked for are added to `asked`.
    """
    import grpc
    from ray.core.generated import gcs_service_pb2

    class Asked(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> None:
            if asked is not None:
                asked.append(handler_call_details.method)

    def answer(request: Any, context: Any) -> Any:
        if dict(context.invocation_metadata()).get("authorization") != f"Bearer {token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")
        return gcs_service_pb2.CheckAliveReply(ray_version="2.1.0")

    alive = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=gcs_service_pb2.CheckAliveRequest.FromString,
        response_serializer=gcs_service_pb2.CheckAliveReply.SerializeToString,
    )
    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads)
        server.add_generic_rpc_handlers(
            [
                Asked(),
                grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", {"CheckAlive": alive}),
            ]
        )
        if papers is None:
            port = server.add_insecure_port("0.0.0.0:0")  # for "auto" Ray takes the machine's own address
        else:
            pair = (papers.key.read_bytes(), papers.certificate.read_bytes())
            port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


LOOK = """
import sys
from litho.runners._pools.ray_cluster import Cluster

try:
    Cluster(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""


def said(address: str, **environment: str) -> str:
    """What a command says that is to join `address`; Ray reads its environment once in a process."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, address],
        capture_output=True,
        text=True,
        env={**kept, **environment},
        check=True,
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({}, "wants its token and got none; set RAY_AUTH_MODE=token"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "wrong"}, "wants its token and got another one"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "right"}, "runs Ray 2.1.0"),
    ],
)
def test_a_cluster_that_wants_a_token_says_so(
    environment: dict[str, str], complaint: str, tmp_path: Path
) -> None:
    with guarded("right") as port:
        answer = said(f"127.0.0.1:{port}", HOME=str(tmp_path), **environment)
    assert answer.startswith(f"ClusterError the Ray cluster at 127.0.0.1:{port} {complaint}")


@pytest.mark.slow
def test_a_cluster_that_was_found_is_asked_before_ray_tries_to_join_it(tmp_path: Path) -> None:
    """Ray itself would try for 20 seconds."""
    asked: list[str] = []
    with guarded("right", asked=asked) as port:
        answer = said("auto", HOME=str(tmp_path), RAY_ADDRESS=f"127.0.0.1:{port}")
    assert "wants its token and got none" in answer
    assert asked == ["/ray.rpc.NodeInfoGcsService/CheckAlive"]


@pytest.mark.slow
def test_a_cluster_with_tls_is_asked_with_tls(tmp_path: Path) -> None:
    papers = make_papers(tmp_path / "papers")
    files = {
        "RAY_TLS_CA_CERT": str(papers.ca),
        "RAY_TLS_SERVER_KEY": str(papers.key),
        "RAY_TLS_SERVER_CERT": str(papers.certificate),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "right",
    }
    with guarded("right", papers) as port:
        assert "runs Ray 2.1.0" in said(f"127.0.0.1:{port}", RAY_USE_TLS="1", **files)
    del files["RAY_TLS_CA_CERT"]  # Ray itself would try for ever
    assert said("auto", RAY_USE_TLS="1", **files) == (
        "ClusterError RAY_USE_TLS is set, and RAY_TLS_CA_CERT was given ''; set it to a file in PEM\n"
    )
