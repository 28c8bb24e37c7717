"""`GET /v1/models/MODEL/explanations` of a running gateway before a real server."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from litho.bundle.explanation import Explanation
from litho.serving.gateway.program import Program
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway
from ..conftest import STARTING_PICTURE, explain_model


@pytest.fixture(scope="module")
def explained(
    server: EmbeddedServer, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Program, Path]]:
    """A gateway that reads explanations, and the bundle in its repository."""
    copy = tmp_path_factory.mktemp("explained") / "models"
    shutil.copytree(repository, copy)
    bundle = copy / "tiny" / "1" / "bundle"
    explain_model(bundle)
    with running_gateway(server.grpc_url, repository=copy) as program:
        yield program, bundle


def test_the_card_says_that_there_is_one_and_the_path_gives_it(explained: tuple[Program, Path]) -> None:
    program, _ = explained
    card = httpx.get(f"{program.url}/v1/models/tiny").json()
    assert card["litho"]["explanations"] is True
    response = httpx.get(f"{program.url}/v1/models/tiny/explanations")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    assert {**answer, "explanation": 0, "pictures": 0} == {
        "object": "model.explanations", "model": "tiny", "version": 1, "explanation": 0, "pictures": 0,
    }  # fmt: skip
    explanation = Explanation.model_validate_json(json.dumps(answer["explanation"]))
    assert explanation.weights_sha256 == card["litho"]["checkpoint_sha256"]
    assert answer["pictures"].keys() == set(explanation.pictures())
    kind, content = answer["pictures"]["start-0.png"].split(",")
    assert (kind, base64.b64decode(content)) == ("data:image/png;base64", STARTING_PICTURE)


def test_without_an_explanation_or_a_model_the_path_is_not_found(
    gateway: Program, explained: tuple[Program, Path]
) -> None:
    assert httpx.get(f"{gateway.url}/v1/models/tiny").json()["litho"]["explanations"] is False
    missing = httpx.get(f"{gateway.url}/v1/models/tiny/explanations")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "explanations_not_found")
    unknown = httpx.get(f"{explained[0].url}/v1/models/none/explanations")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")


def test_a_changed_file_is_not_handed_out_and_the_answer_names_no_path(
    explained: tuple[Program, Path],
) -> None:
    program, bundle = explained
    explain_model(bundle, seed=9)
    (bundle / "explanation" / "start-0.png").write_bytes(STARTING_PICTURE[::-1])
    damaged = httpx.get(f"{program.url}/v1/models/tiny/explanations")
    assert (damaged.status_code, damaged.json()["error"]["code"]) == (404, "explanations_not_found")
    assert str(bundle.parent) not in damaged.text
    explain_model(bundle)
    assert httpx.get(f"{program.url}/v1/models/tiny/explanations").status_code == 200
