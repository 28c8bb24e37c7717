"""Runs a pod's containers on this machine as its manifest says, without a container engine: a program of its own.

It needs the rights of root and `unshare`. The containers get namespaces for mounts, processes, network and IPC, a
read-only root, the manifest's volumes, user, probes, hooks and end. Images are not pulled: `litho` is this
installation, and Triton the embedded server behind the path that NVIDIA's image has it at.

    unshare --mount --pid --net --ipc --fork --kill-child python pod.py POD.json

It answers lines of JSON on standard input, one line each: ["probe"], ["get", PORT, PATH, SCHEME, KEY],
["post", PATH, BODY, KEY],
["exec", CONTAINER, WORD, ...], ["stop"].
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

SKIPPED = ("proc", "etc", "opt", "tmp", "models", "source", "dev")


def main() -> None:
    pod: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text())
    root = Path(pod["root"])
    make_root(root, pod)
    raise_loopback()
    os.chroot(root)
    os.chdir("/")
    containers = Containers(pod)
    containers.init()
    containers.start()
    say(event="ready", seconds=containers.wait())
    for line in sys.stdin:
        kind, *words = json.loads(line)
        say(**getattr(containers, f"do_{kind}")(*words))


def say(**document: Any) -> None:
    print(json.dumps(document), flush=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def make_root(root: Path, pod: dict[str, Any]) -> None:
    """A root in memory: this machine's folders read-only, and the pod's volumes."""
    mount("--make-rprivate", "/")
    root.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", str(root))
    for entry in Path("/").iterdir():
        if entry.is_symlink():
            (root / entry.name).symlink_to(entry.readlink())
        elif entry.is_dir() and entry.name not in SKIPPED:
            bind(entry, root / entry.name)
    for folder in ("etc", "opt", "dev"):
        (root / folder).mkdir()
    for folder in ("etc", "opt"):
        bind(Path("/") / folder, root / f"real-{folder}")
        for entry in (Path("/") / folder).iterdir():
            (root / folder / entry.name).symlink_to(f"/real-{folder}/{entry.name}")
    for device in ("null", "zero", "urandom", "random"):
        (root / "dev" / device).touch()
        mount("--bind", f"/dev/{device}", str(root / "dev" / device))
    (root / "proc").mkdir()
    mount("-t", "proc", "proc", str(root / "proc"))
    triton = root / "opt" / "tritonserver" / "bin" / "tritonserver"
    triton.parent.mkdir(parents=True)
    triton.write_text(pod["triton"])
    triton.chmod(0o755)
    mounted = {
        mount["name"]: mount["mountPath"] for one in all_containers(pod) for mount in one["volumeMounts"]
    }
    for volume in pod["spec"]["volumes"]:
        make_volume(root, volume, root / mounted[volume["name"]].lstrip("/"), pod)
    mount("-o", "remount,ro", str(root))


def bind(source: Path, target: Path) -> None:
    target.mkdir()
    mount("--rbind", str(source), str(target))
    mount("-o", "remount,bind,ro", str(target))


def make_volume(root: Path, volume: dict[str, Any], target: Path, pod: dict[str, Any]) -> None:
    target.mkdir(parents=True)
    if "emptyDir" in volume:
        size = volume["emptyDir"]["sizeLimit"].removesuffix("i").lower()
        mount("-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(target))
    elif "configMap" in volume:
        for name, text in pod["config"][volume["configMap"]["name"]].items():
            (target / name).write_text(text)
    elif "secret" in volume:
        for name, text in pod["secrets"][volume["secret"]["secretName"]].items():
            (target / name).write_text(text)
    else:
        mount("--bind", pod["source"], str(target))
        mount("-o", "remount,bind,ro", str(target))


def raise_loopback() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh", b"lo", 1)  # IFF_UP
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def all_containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]


class Containers:
    def __init__(self, pod: dict[str, Any]) -> None:
        self.pod, self.spec = pod, pod["spec"]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.began = time.monotonic()

    def command(self, container: dict[str, Any], words: list[str] | None = None) -> list[str]:
        """The words that run a container's program with the rights of its security context."""
        allowed = container["securityContext"]
        assert allowed["capabilities"] == {"drop": ["ALL"]}
        assert not allowed["allowPrivilegeEscalation"]
        user, group = allowed["runAsUser"], allowed["runAsGroup"]
        rights = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
        rights += ["--bounding-set=-all", "--inh-caps=-all", "--"]
        entry = container.get("command") or self.pod["litho"]
        arguments = [word.replace("$(POD_UID)", "3f1c") for word in container.get("args", [])]
        return [*rights, *(words or [*entry, *arguments])]

    def environment(self, container: dict[str, Any]) -> dict[str, str]:
        given = {one["name"]: one.get("value", "3f1c") for one in container["env"]}
        return {"PATH": os.environ["PATH"], **self.pod["environment"], **given}

    def run(self, container: dict[str, Any], words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(container, words),
            env=self.environment(container),
            capture_output=True,
            text=True,
            check=False,
        )

    def init(self) -> None:
        for container in self.spec["initContainers"]:
            ran = subprocess.run(
                self.command(container),
                env=self.environment(container),
                capture_output=True,
                text=True,
                check=False,
            )
            if ran.returncode != 0:
                say(event="init-failed", code=ran.returncode, said=ran.stderr)
                sys.exit(0)

    def start(self) -> None:
        """Start the containers, whose mounts are read-only where all of them say so."""
        mounts = [one for container in self.spec["containers"] for one in container["volumeMounts"]]
        writable = {one["mountPath"] for one in mounts if not one.get("readOnly")}
        for path in {one["mountPath"] for one in mounts} - writable:
            if Path(path).is_mount():  # others lie in the root, which is read-only
                mount("-o", "remount,bind,ro", path)
        for container in self.spec["containers"]:
            self.running[container["name"]] = subprocess.Popen(
                self.command(container), env=self.environment(container), stdout=2, start_new_session=True
            )

    def wait(self) -> float:
        """Wait for the startup probes, within the time that they allow."""
        for container in self.spec["containers"]:
            probe = container["startupProbe"]
            for _ in range(probe["failureThreshold"] * probe["periodSeconds"] * 5):
                if self.passes(container, probe) or self.running[container["name"]].poll() is not None:
                    break
                time.sleep(0.2)
        while not self.passes(self.spec["containers"][-1], self.spec["containers"][-1]["readinessProbe"]):
            if any(process.poll() is not None for process in self.running.values()):
                break
            time.sleep(0.2)
        return time.monotonic() - self.began

    def passes(self, container: dict[str, Any], probe: dict[str, Any]) -> bool:
        if "exec" in probe:
            return self.run(container, probe["exec"]["command"]).returncode == 0
        get = probe["httpGet"]
        (port,) = [one["containerPort"] for one in container["ports"] if one["name"] == get["port"]]
        return self.do_get(port, get["path"], get.get("scheme", "HTTP").lower())["status"] == 200

    def do_probe(self) -> dict[str, Any]:
        return {
            f"{one['name']}.{kind}": self.passes(one, one[f"{kind}Probe"])
            for one in self.spec["containers"]
            for kind in ("liveness", "readiness")
        }

    def do_get(self, port: int, path: str, scheme: str = "http", key: str = "") -> dict[str, Any]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        return self.ask(urllib.request.Request(f"{scheme}://127.0.0.1:{port}{path}", headers=headers))

    def do_post(self, path: str, body: Any, key: str) -> dict[str, Any]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        address = f"https://127.0.0.1:8080{path}"
        return self.ask(urllib.request.Request(address, json.dumps(body).encode(), headers))

    @staticmethod
    def ask(request: urllib.request.Request) -> dict[str, Any]:
        context = ssl._create_unverified_context()  # as kubelet's probes do
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return {"status": answer.status, "body": answer.read().decode()}
        except urllib.error.HTTPError as error:
            return {"status": error.code, "body": error.read().decode()}
        except OSError as error:
            return {"status": 0, "body": str(error)}

    def do_exec(self, name: str, *words: str) -> dict[str, Any]:
        (container,) = [one for one in self.spec["containers"] if one["name"] == name]
        ran = self.run(container, list(words))
        return {"code": ran.returncode, "out": ran.stdout, "error": ran.stderr}

    def do_stop(self) -> dict[str, Any]:
        """End the pod as kubelet does: all hooks at once, each followed by SIGTERM, and SIGKILL after the grace."""
        began, ends = time.monotonic(), {}

        def end(container: dict[str, Any]) -> None:
            process = self.running[container["name"]]
            self.run(container, container["lifecycle"]["preStop"]["exec"]["command"])
            asked = time.monotonic() - began
            process.send_signal(signal.SIGTERM)
            code = process.wait(self.spec["terminationGracePeriodSeconds"])
            ends[container["name"]] = {"code": code, "asked_after": asked}

        threads = [threading.Thread(target=end, args=(one,)) for one in self.spec["containers"]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends


if __name__ == "__main__":
    try:
        main()
    finally:
        for process in Path("/proc").glob("[0-9]*"):
            if process.name != str(os.getpid()):
                with suppress(OSError):
                    os.kill(int(process.name), signal.SIGKILL)
