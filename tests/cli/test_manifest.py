"""`litho manifest` and `litho fetch`: what is printed, and one line for what cannot work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from litho.errors import MissingExtra
from litho.serving.manifests.rendering import find_helm

from ..signers import make_keys
from .conftest import Command, Complaint

WHERE = ("--source", "pvc://models/prod", "--namespace", "models", "--name", "pictures", "--insecure")


@pytest.fixture(autouse=True)
def _helm() -> None:
    try:
        find_helm()
    except MissingExtra as error:
        pytest.skip(str(error))


def test_objects_and_values_are_printed(litho_here: Command, repository: Path, tmp_path: Path) -> None:
    text = litho_here("manifest", repository, *WHERE).stdout
    kinds = [one["kind"] for one in yaml.safe_load_all(text)]
    assert {"Deployment", "Service", "NetworkPolicy", "PodDisruptionBudget", "ConfigMap"} <= set(kinds)
    listed = json.loads(litho_here("manifest", repository, *WHERE, "--json").stdout)
    assert [one["kind"] for one in listed["items"]] == kinds
    printed = litho_here("manifest", repository, *WHERE, "--format", "values")
    assert "helm install pictures" in printed.stderr
    values = yaml.safe_load(printed.stdout)
    assert [model["name"] for model in values["models"]] == ["tiny"]
    found = json.loads(litho_here("manifest", repository, *WHERE, "--format", "values", "--json").stdout)
    assert found == values
    kserve = litho_here("manifest", repository, *WHERE, "--format", "kserve").stdout
    assert "kind: InferenceService" in kserve
    both = litho_here(
        "manifest", repository, *WHERE, "--canary", repository, "--canary-source", "pvc://next"
    ).stdout
    assert 'name: "pictures-canary"' in both
    assert 'claimName: "next"' in both
    more = tmp_path / "more.yaml"
    more.write_text("replicas: 5\n")
    assert "replicas: 5" in litho_here("manifest", repository, *WHERE, "--values", more).stdout


def test_what_cannot_work_is_one_line(
    litho_here: Command, error_of: Complaint, repository: Path, tmp_path: Path
) -> None:
    for words, message in (
        ((repository,), "give --source pvc://CLAIM"),
        ((repository, "--insecure"), "give --source pvc://CLAIM"),
        ((repository, "--source", "pvc://m"), "insist with --insecure"),
        ((repository, *WHERE, "--format", "values", "--values", "x.yaml"), "give it to Helm"),
        ((repository, *WHERE, "--format", "kserve", "--autoscale", "hpa"), "scales by keda alone"),
        ((repository, *WHERE, "--canary-source", "pvc://next"), "without --canary"),
        ((repository, *WHERE, "--canary", repository), "give --canary-source pvc://CLAIM"),
        ((repository, *WHERE, "--name", "Big"), "--name was given 'Big'"),
        ((tmp_path / "gone",), "there is neither a model repository nor a bundle at"),
        ((tmp_path,), "there is neither a model repository nor a bundle at"),
    ):
        done = litho_here("manifest", *words)
        assert done.returncode == 2, words
        assert message in error_of(done)


def test_a_repository_is_fetched_and_a_wrong_one_refused(
    litho_here: Command,
    error_of: Complaint,
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy = tmp_path / "copy"
    listed = json.loads(litho_here("manifest", repository, *WHERE, "--json").stdout)["items"]
    (pinned,) = [one["data"]["models.json"] for one in listed if one["kind"] == "ConfigMap"]
    (tmp_path / "models.json").write_text(pinned)
    fetched = litho_here("fetch", repository, "--to", copy, "--pinned", tmp_path / "models.json")
    assert fetched.stdout == f"{copy / 'tiny'} version 1\n"
    (one,) = json.loads(litho_here("fetch", repository, "--to", copy, "--json").stdout)
    assert one["name"] == "tiny"
    assert set(one) == {"name", "version", "configSha256", "filesSha256"}

    _, public = make_keys(tmp_path / "keys")
    refused = litho_here("fetch", repository, "--to", copy, "--require-signature", public)
    assert refused.returncode == 1
    assert "is not signed" in error_of(refused)
    monkeypatch.setenv("LITHO_REQUIRE_SIGNATURE", "0a" * 32)
    assert litho_here("fetch", repository, "--to", copy).returncode == 1
    monkeypatch.setenv("LITHO_REQUIRE_SIGNATURE", "word")
    assert litho_here("fetch", repository, "--to", copy).returncode == 2
    done = litho_here("fetch", tmp_path / "keys", "--to", tmp_path / "new")
    assert (done.returncode, (tmp_path / "new").exists()) == (2, False)
    assert "no model repository at" in error_of(done)
    for wrong, said in (
        (("--to", copy, "--pinned", tmp_path), "--pinned was given"),
        (("--to", tmp_path / "models.json" / "new"), "models.json is not a folder; give another"),
    ):
        done = litho_here("fetch", repository, *wrong)
        assert done.returncode == 2
        assert said in error_of(done)
    shutil.rmtree(copy)
