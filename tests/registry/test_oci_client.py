"""Credentials for an OCI registry, and what it refuses."""

import base64
import json
from contextlib import closing
from pathlib import Path

import pytest

from litho.benchmarks.registries.server import RunningRegistry, running_registry
from litho.errors import RegistryError, UsageError
from litho.registry.address import OciAddress
from litho.registry.oci_client import Client, credentials_file
from litho.registry.pull import pull
from litho.registry.push import push

from .conftest import PASSWORD, USER, same_files
from .token_service import ISSUER, SERVICE, TokenService

pytest.importorskip("oras")


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of Docker's file of credentials, which is empty."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


def sign_in(docker: Path, host: str, password: str) -> None:
    """What 'docker login' writes."""
    entry = base64.b64encode(f"{USER}:{password}".encode()).decode()
    (docker / "config.json").write_text(json.dumps({"auths": {host: {"auth": entry}}}))


def test_the_credentials_of_docker_are_used(
    guarded_registry: RunningRegistry, docker: Path, small: Path, tmp_path: Path
) -> None:
    sign_in(docker, guarded_registry.host, PASSWORD)
    address = f"oci://{guarded_registry.host}/me/tiny:v1"
    push(small, address)
    assert same_files(pull(address, to=tmp_path / "back").path, small)


@pytest.mark.parametrize("password", [None, "wrong"])
def test_missing_and_wrong_credentials_are_said(
    guarded_registry: RunningRegistry, docker: Path, small: Path, password: str | None
) -> None:
    if password is not None:
        sign_in(docker, guarded_registry.host, password)
    with pytest.raises(RegistryError) as refused:
        push(small, f"oci://{guarded_registry.host}/me/tiny:v2")
    said = str(refused.value)
    assert said.startswith(f"{guarded_registry.host} does not let you push to me/tiny (401); check")
    assert said.endswith(
        f"check the entry of {guarded_registry.host} in {docker}/config.json, which 'docker login"
        f" {guarded_registry.host}' writes"
    )
    with pytest.raises(RegistryError, match=r"does not let you pull from me/tiny \(401, UNAUTHORIZED: "):
        pull(f"oci://{guarded_registry.host}/me/tiny:v2")


@pytest.mark.parametrize("password", [PASSWORD, "wrong", None])
@pytest.mark.usefixtures("_program")
def test_a_registry_with_a_service_of_tokens(
    docker: Path,
    small: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    password: str | None,
) -> None:
    """Other rights need another token: the first request of a push reads, the next one writes."""
    with TokenService(tmp_path / "tokens", USER, PASSWORD) as tokens:
        auth = {
            "realm": tokens.url,
            "service": SERVICE,
            "issuer": ISSUER,
            "rootcertbundle": str(tokens.certificate),
        }
        with running_registry(tmp_path / "registry", {"token": auth}) as running:
            if password is not None:
                sign_in(docker, running.host, password)
            address = f"oci://{running.host}/me/tiny:v1"
            if password == PASSWORD:
                push(small, address)
                assert same_files(pull(address, to=tmp_path / "back").path, small)
                assert tokens.scopes[0] == "repository:me/tiny:pull"
                assert len(tokens.scopes) < 6, "a token is used until the registry wants another"
            else:
                with pytest.raises(RegistryError, match=r"does not let you push to me/tiny \(401"):
                    push(small, address)
    assert capfd.readouterr().err == ""


def test_a_helper_program_is_asked(
    guarded_registry: RunningRegistry,
    docker: Path,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    helper = tmp_path / "docker-credential-test"
    secret = json.dumps({"Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{secret}'\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (docker / "config.json").write_text(json.dumps({"credHelpers": {guarded_registry.host: "test"}}))
    push(small, f"oci://{guarded_registry.host}/me/helped:v1")


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"auths": []'])
def test_a_damaged_file_of_credentials_is_said(
    guarded_registry: RunningRegistry, docker: Path, small: Path, content: str
) -> None:
    (docker / "config.json").write_text(content)
    with pytest.raises(UsageError, match="is not Docker's file of credentials"):
        push(small, f"oci://{guarded_registry.host}/me/tiny:v3")


def test_the_file_of_credentials_is_dockers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert credentials_file() == tmp_path / ".docker" / "config.json"


def test_a_registry_without_tls_is_said(
    oci_registry: RunningRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine is spoken to with TLS; --plain-http leaves it out."""
    port = oci_registry.host.rpartition(":")[2]
    monkeypatch.setattr(OciAddress, "local", False)
    address = OciAddress(f"localhost:{port}", "me/tiny")
    with (
        closing(Client(address, "pull from")) as client,
        pytest.raises(RegistryError, match=r"does not speak TLS that is trusted here .* --plain-http"),
    ):
        client.request("GET", "tags/list")
    with closing(Client(address, "pull from", plain_http=True)) as client:
        assert client.request("GET", "tags/list", allowed=(404,)).status_code == 404
