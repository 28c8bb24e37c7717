"""The rendered pod runs on this machine: its commands, user, read-only root, volumes, probes, hooks and end.

There is no container engine here, so `pod.py` plays kubelet with the kernel's own namespaces.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from litho.bundle.keys import PublicKey
from litho.serving.gateway.protection.keys import KeyFile, KeyLimits
from litho.serving.manifests.values import Cluster, values_of
from litho.serving.server.environment import find, install

from ...signers import openssl
from .conftest import Objects, Render

Ask = Callable[..., dict[str, Any]]

PROGRAM = Path(__file__).with_name("pod.py")
UNSHARE = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child"]


@pytest.fixture(autouse=True, scope="module")
def _rights() -> None:
    for program in ("unshare", "setpriv", "curl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    allowed = subprocess.run([*UNSHARE, "true"], capture_output=True, check=False)
    if os.getuid() != 0 or allowed.returncode != 0:
        pytest.skip("namespaces need the rights of root")
    install()
    user = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--"]
    for words in ([sys.executable, "-c", "import litho.cli"], ["test", "-x", str(find().executable)]):
        reads = subprocess.run([*user, *words], capture_output=True, check=False, cwd="/")
        if reads.returncode != 0:
            pytest.skip(f"the pods' user 10001 cannot read what this installation needs: {' '.join(words)}")


@contextmanager
def running(
    objects: Objects, source: Path, folder: Path, secrets: dict[str, dict[str, str]] | None = None
) -> Iterator[tuple[dict[str, Any], Ask]]:
    """The pod of a Deployment; what it says first, and a function that asks it."""
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    environment = find()
    own = {name: value for name, value in environment.variables().items() if os.environ.get(name) != value}
    exports = "".join(f"export {name}='{value}'\n" for name, value in own.items() if name != "HOME")
    known = 'for word do shift; case $word in --http-max-input-size=*) ;; *) set -- "$@" "$word";; esac; done'
    start = f'cd /models; exec {environment.executable} --backend-directory={environment.backends} "$@"'
    pod = {
        "root": str(folder / "root"),
        "spec": deployment["spec"]["template"]["spec"],
        "config": {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"},
        "secrets": secrets or {},
        "source": str(source),
        "triton": f"#!/bin/sh\n{exports}{known}\n{start}\n",
        "litho": [sys.executable, "-m", "litho"],
        "environment": {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
    }
    (folder / "pod.json").write_text(json.dumps(pod))
    with (folder / "pod.log").open("wb") as log:
        process = subprocess.Popen(
            [*UNSHARE, sys.executable, str(PROGRAM), str(folder / "pod.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    requests, answers = process.stdin, process.stdout

    def ask(*words: Any) -> dict[str, Any]:
        requests.write(json.dumps(words) + "\n")
        requests.flush()
        return json.loads(answers.readline())

    with process:
        try:
            yield json.loads(answers.readline()), ask
        finally:
            requests.close()
            process.wait(30)


@pytest.fixture
def source(models: Path, tmp_path: Path) -> Path:
    """What a volume holds: the repository in a folder of it."""
    shutil.copytree(models, tmp_path / "volume" / "prod")
    (tmp_path / "volume").chmod(0o755)
    return tmp_path / "volume"


def objects_of(rendered: Render, models: Path, key: Path) -> Objects:
    where = {"source": "pvc://models/prod", "keys_secret": "web", "tls_secret": "tls"}
    cluster = Cluster(**where, require_signature=key)
    return rendered(**values_of(models, str(models), cluster))


@pytest.mark.slow
def test_a_pod_starts_serves_tells_of_a_dead_instance_and_drains(
    rendered: Render, models: Path, source: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    certificate, private = tmp_path / "tls.crt", tmp_path / "tls.key"
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=pictures")
    openssl(*request, "-out", certificate, "-keyout", private)
    key, _ = KeyFile(tmp_path / "keys.json").create("web", KeyLimits())
    secrets = {
        "tls": {"tls.crt": certificate.read_text(), "tls.key": private.read_text()},
        "web": {"keys.json": (tmp_path / "keys.json").read_text()},
    }
    objects = objects_of(rendered, models, keys[1])
    with running(objects, source, tmp_path, secrets) as (first, ask):
        assert first["event"] == "ready", (tmp_path / "pod.log").read_text()[-2000:]
        probes = ask("probe")
        assert probes == dict.fromkeys(probes, True)
        assert json.loads(ask("get", 8080, "/readyz", "https")["body"])["models"] == ["tiny"]
        wanted = {"model": "tiny", "prompt": "", "label": 3, "seed": 7}
        assert ask("post", "/v1/images/generations", wanted, "nobody's")["status"] == 401
        picture = ask("post", "/v1/images/generations", wanted, key)
        assert picture["status"] == 200, picture
        assert ask("get", 8000, "/v2/models/tiny/stats")["status"] == 403, "HTTP is for health alone"
        assert ask("get", 8080, "/metrics", "https")["status"] == 401
        assert "litho_gateway" in ask("get", 8080, "/metrics", "https", key)["body"]
        assert "nv_inference_request_success" in ask("get", 8002, "/metrics")["body"]

        who = ask(
            "exec",
            "triton",
            "sh",
            "-c",
            "id -u; touch /models/x; touch /opt/x; grep CapEff /proc/self/status",
        )
        assert who["out"].split() == ["10001", "CapEff:", "0000000000000000"]
        assert who["error"].count("Read-only file system") == 2

        killed = ask(
            "exec", "triton", "pkill", "--signal", "KILL", "--oldest", "-f", "triton_python_backend_stub"
        )
        assert killed["code"] == 0, killed
        probes = ask("probe")
        assert probes["triton.liveness"] is False, "Kubernetes starts Triton again, which still says ready"
        assert probes["triton.readiness"] is True
        assert probes["gateway.liveness"] is True

        ends = ask("stop")
        assert ends["gateway"]["code"] == 0
        assert ends["gateway"]["asked_after"] < ends["triton"]["asked_after"], "the gateway is asked first"


@pytest.mark.slow
def test_a_pod_does_not_start_with_what_is_not_signed_or_not_pinned(
    rendered: Render, models: Path, source: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    objects = objects_of(rendered, models, keys[1])
    config = source / "prod" / "tiny" / "config.pbtxt"
    config.write_text(config.read_text() + "\n")
    with running(objects, source, tmp_path, {"tls": {}, "web": {}}) as (first, _):
        assert first["event"] == "init-failed"
        assert "the config.pbtxt of version 1 of tiny in /source/prod has SHA-256" in first["said"]
    assert PublicKey.read(keys[1]).text in json.dumps(objects)
