"""The command, or the compose file, that serves a repository in NVIDIA's Triton container.

The embedded server is for development; production belongs in a current container. What is rendered here has the
narrowest rights that Triton works with: no root, no capabilities, nothing writable but a small /tmp, limits of
memory and processes, and only the asked-for ports, on loopback by default.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tritonclient.grpc import model_config_pb2

from ...bundle.keys import PublicKey
from ...errors import UsageError
from ..control.advertisement import ADVERTISEMENT_NAME
from ..repository.trust import KEY_VARIABLE, check_repository
from ..server.traces import trace_options
from .images import IMAGE, ServedModelFiles, check_image, own_image
from .sizes import memory_bytes, request_bytes, shared_memory_bytes

__all__ = ["Container", "ContainerSettings"]

triton: Any = model_config_pb2  # protobuf makes the classes of the schema while it is imported

MODELS, TLS = "/models", "/tls"
GRPC, HTTP, METRICS = 8001, 8000, 8002
_USER = 1000
_PROCESSES = 4096
_STOP_SECONDS = 30
_RESTRICTED = "model-repository,shared-memory,trace,logging"
"""What operates a server, as Triton's options call it."""


@dataclass(frozen=True)
class ContainerSettings:
    """How the container is run.

    Args:
        image: NVIDIA's Triton image, or one made from it.
        tensorrt: version of TensorRT in the image; by default that of its release.
        program: the container engine.
        host: address of this machine on which ports are published.
        grpc_port: published port of gRPC.
        http_port, metrics_port: published ports; None if nobody outside needs them.
        gpus: "all", or numbers such as "0,1"; None for all if a model runs on a GPU, else for none.
        memory_bytes: limit of the container; by default computed from the models.
        tls: folder with server.crt and server.key, and ca.crt if clients must show a certificate.
        require_signature: PEM file of a public key, which every bundle must be signed with.
        traces: collector that spans are sent to, as the container reaches it; see `trace_options`.
    """

    image: str = IMAGE
    tensorrt: str | None = None
    program: Literal["docker", "podman"] = "docker"
    host: str = "127.0.0.1"
    grpc_port: int = GRPC
    http_port: int | None = None
    metrics_port: int | None = None
    gpus: str | None = None
    memory_bytes: int | None = None
    tls: Path | None = None
    require_signature: Path | None = None
    traces: str | None = None


class Container:
    """A repository in a container.

    Args:
        repository: folder of the repository.
        models: its served versions (`images.served`).
        settings: how it is run.

    Raises:
        UsageError: the image cannot serve the models, the folder cannot be read by the container's user, or an option
            does not fit; the message says what does.
        TrustError: a model is not signed with the required key.
    """

    def __init__(
        self, repository: Path, models: Sequence[ServedModelFiles], settings: ContainerSettings
    ) -> None:
        if not models:
            raise UsageError(f"{repository} holds no model; add one with 'litho deploy'")
        check_image(settings.image, models, settings.tensorrt)
        self._traces = trace_options(settings.traces)
        self._repository, self._models, self._settings = repository.resolve(), models, settings
        self.is_loopback = _is_loopback(settings.host)
        self._user = _user()
        self._environment = {"HOME": "/tmp", "ORT_DISABLE_TELEMETRY": "1"}  # noqa: S108 - inside the container
        if settings.require_signature is not None:
            key = PublicKey.read(settings.require_signature)
            check_repository(repository, key)
            self._environment[KEY_VARIABLE] = key.text
        self._tls = _tls_files(settings.tls)
        if self._tls and settings.http_port is not None and not self.is_loopback:
            raise UsageError(
                "Triton's HTTP has no TLS; leave --http-port out, or let a proxy in front do TLS"
            )
        for path in (self._repository, *(model.directory for model in models)):
            _check_readable(path, self._user)

    def __repr__(self) -> str:
        return f"<Container of {self._repository} in {self.image}>"

    @property
    def image(self) -> str:
        """Tag of the image that runs: NVIDIA's, or the one with litho in it."""
        return own_image(self._settings.image, self._models) or self._settings.image

    @property
    def shared_memory_bytes(self) -> int:
        """Size of /dev/shm: for each instance twice its largest batch, inputs and outputs, and what Triton needs."""
        return shared_memory_bytes(self._models)

    @property
    def memory_bytes(self) -> int:
        """Limit of memory: each instance holds its weights three times while it loads, beside Triton and Python."""
        if self._settings.memory_bytes is not None:
            return self._settings.memory_bytes
        return memory_bytes(self._models)

    @property
    def request_bytes(self) -> int:
        """Largest HTTP request: the largest batch of any model in JSON."""
        return request_bytes(self._models)

    def server_options(self) -> list[str]:
        """The options of tritonserver.

        Models can be loaded and unloaded over gRPC only where it is published on loopback. Over HTTP, which a page in
        a browser of this machine reaches too, and where other machines reach the port, whatever operates the server
        asks for a key that nobody gets.
        """
        key = f"{_RESTRICTED}:litho-restricted={secrets.token_hex(16)}"
        options = [
            f"--model-repository={MODELS}",
            "--disable-auto-complete-config",
            "--strict-readiness=true",
            "--exit-on-error=true",
            f"--exit-timeout-secs={_STOP_SECONDS}",
            f"--http-restricted-api={key}",
            f"--http-max-input-size={self.request_bytes}",
            "--log-format=ISO8601",
            *self._traces,
        ]
        if self.is_loopback:
            options += ["--model-control-mode=explicit", "--load-model=*"]
        else:
            options += ["--model-control-mode=none", f"--grpc-restricted-protocol={key}"]
        if self._tls:
            mutual = "ca.crt" in self._tls
            options += [
                "--grpc-use-ssl-mutual=true" if mutual else "--grpc-use-ssl=true",
                f"--grpc-server-cert={TLS}/server.crt",
                f"--grpc-server-key={TLS}/server.key",
            ]
            options += [f"--grpc-root-cert={TLS}/ca.crt"] if mutual else []
        return options

    def command(self) -> list[str]:
        """The words of the command that runs the container in the foreground."""
        settings = self._settings
        mounts = [(self._repository, MODELS)] + ([(settings.tls.resolve(), TLS)] if settings.tls else [])
        words = [settings.program, "run", "--rm", "--name", "litho", "--user", f"{self._user}:{self._user}"]
        words += ["--userns", "keep-id"] if settings.program == "podman" else []
        words += [
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=256m"),  # noqa: S108 - inside the container
            *("--pids-limit", str(_PROCESSES), "--memory", str(self.memory_bytes)),
            *("--memory-swap", str(self.memory_bytes), "--shm-size", str(self.shared_memory_bytes)),
            *("--stop-timeout", str(_STOP_SECONDS + 10)),
        ]
        words += [word for name, text in self._environment.items() for word in ("--env", f"{name}={text}")]
        words += self._gpu_words()
        for port in self._ports():
            words += ["--publish", port]
        for source, target in mounts:
            words += ["--mount", f"type=bind,source={source},target={target},readonly"]
        return [
            *words,
            "--entrypoint",
            "/opt/tritonserver/bin/tritonserver",
            self.image,
            *self.server_options(),
        ]

    def script(self, context: Path | None) -> str:
        """The commands for a shell: the image, if litho has to be in it, then the container.

        Args:
            context: folder that `images.write_context` has filled; None if the image is there.
        """
        lines = []
        if context is not None and self.image != self._settings.image:
            lines.append(shlex.join(self.build_command(context)))
        return "".join(f"{line}\n" for line in [*lines, _folded(self.command())])

    def build_command(self, context: Path) -> list[str]:
        """The words of the command that builds the image with litho in it."""
        return [self._settings.program, "build", "--pull", "--tag", self.image, str(context)]

    def compose(self, context: Path | None) -> str:
        """The compose file: the same container, restarted when it ends, with a probe of its readiness."""
        service: dict[str, Any] = {"image": self.image}
        if context is not None and self.image != self._settings.image:
            service["build"] = {"context": str(context)}
        service |= {
            "entrypoint": ["/opt/tritonserver/bin/tritonserver"],
            "command": self.server_options(),
            "user": f"{self._user}:{self._user}",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "tmpfs": ["/tmp:rw,noexec,nosuid,nodev,size=256m"],  # noqa: S108 - inside the container
            "pids_limit": _PROCESSES,
            "mem_limit": self.memory_bytes,
            "memswap_limit": self.memory_bytes,
            "shm_size": self.shared_memory_bytes,
            "stop_grace_period": f"{_STOP_SECONDS + 10}s",
            "restart": "unless-stopped",
            "environment": self._environment,
            "ports": self._ports(),
            "volumes": self._volumes(),
            "healthcheck": {
                "test": ["CMD", "curl", "-fsS", f"http://127.0.0.1:{HTTP}/v2/health/ready"],
                "interval": "10s",
                "timeout": "5s",
                "retries": 3,
                "start_period": "120s",
            },
            "logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}},
        }
        if devices := self._gpu_devices():
            service["deploy"] = {"resources": {"reservations": {"devices": devices}}}
        return to_yaml({"name": "litho", "services": {"triton": service}})

    def _volumes(self) -> list[dict[str, Any]]:
        sources = [(self._repository, MODELS)]
        if self._settings.tls:
            sources.append((self._settings.tls.resolve(), TLS))
        return [
            {"type": "bind", "source": str(source), "target": target, "read_only": True}
            for source, target in sources
        ]

    def _ports(self) -> list[str]:
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        published = [
            (self._settings.grpc_port, GRPC),
            (self._settings.http_port, HTTP),
            (self._settings.metrics_port, METRICS),
        ]
        return [f"{host}:{outside}:{inside}" for outside, inside in published if outside is not None]

    def _gpus(self) -> str | None:
        if self._settings.gpus is not None:
            return self._settings.gpus
        kind = triton.ModelInstanceGroup.Kind.Value("KIND_GPU")
        groups = (group for model in self._models for group in model.config.instance_group)
        return "all" if any(group.kind == kind for group in groups) else None

    def _gpu_words(self) -> list[str]:
        gpus = self._gpus()
        if gpus is None:
            return []
        if self._settings.program == "podman":
            return [word for one in gpus.split(",") for word in ("--device", f"nvidia.com/gpu={one}")]
        return ["--gpus", gpus if gpus == "all" else f'"device={gpus}"']

    def _gpu_devices(self) -> list[dict[str, Any]]:
        gpus = self._gpus()
        if gpus is None:
            return []
        chosen: dict[str, Any] = {"count": "all"} if gpus == "all" else {"device_ids": gpus.split(",")}
        return [{"driver": "nvidia", "capabilities": ["gpu"], **chosen}]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise UsageError(f"host {host!r} is not an IP address; give one such as 127.0.0.1") from None


def _user() -> int:
    """The user inside: the caller, whose files it reads, or the image's own user; never root."""
    return os.getuid() or _USER


def _check_readable(path: Path, user: int) -> None:
    if user == os.getuid():
        return
    for one in (path, *path.rglob("*")):
        if one.name == ADVERTISEMENT_NAME:
            continue  # of a server on this machine: it holds a key, and no container reads it
        mode = one.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if one.is_dir() else 0)
        if mode & needed != needed and one.stat().st_uid != user:
            raise UsageError(
                f"user {user} of the container cannot read {one}; allow it with:"
                f" chmod -R o+rX {shlex.quote(str(path))}"
            )


def _tls_files(folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    present = tuple(name for name in ("server.crt", "server.key", "ca.crt") if (folder / name).is_file())
    if present[:2] != ("server.crt", "server.key"):
        raise UsageError(
            f"--tls was given {str(folder)!r}; expected a folder with server.crt and server.key in PEM"
        )
    return present


def _folded(words: Sequence[str]) -> str:
    """An option a line; the shell reads it as one command."""
    lines: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            lines.append([])
        lines[-1].append(shlex.quote(word))
    return " \\\n    ".join(" ".join(line) for line in lines)


def to_yaml(value: Any, indent: str = "") -> str:
    """YAML of plain lists and objects, in block style; scalars are written as JSON, which YAML includes."""
    text = ""
    if isinstance(value, dict):
        for key, inner in value.items():
            nested = isinstance(inner, dict | list) and bool(inner)
            shown = f"\n{to_yaml(inner, indent + '  ')}" if nested else f" {_scalar(inner)}\n"
            text += f"{indent}{key}:{shown}"
        return text
    for inner in value:
        if isinstance(inner, dict | list):
            block = to_yaml(inner, indent + "  ")
            text += f"{indent}- {block[len(indent) + 2 :]}"
        else:
            text += f"{indent}- {_scalar(inner)}\n"
    return text


def _scalar(value: Any) -> str:
    return json.dumps(value).replace("$", "$$")  # compose puts variables in
