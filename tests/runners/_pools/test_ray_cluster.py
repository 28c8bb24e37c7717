"""Which clusters are refused, each in one line and fast."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from litho.errors import ClusterError, UsageError
from litho.runners._pools import ray_cluster
from litho.runners._pools.ray_cluster import Cluster

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
