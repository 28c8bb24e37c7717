import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import DeployError, EndpointError, LithoError, UnknownName, UsageError
from litho.files import locked
from litho.serving.repository import rollout
from litho.serving.repository.canary import SHARE_PARAMETER
from litho.serving.repository.deploy import deploy
from litho.serving.repository.operations import abort, promote, rollback, settle_all, undeploy
from litho.serving.repository.placing import forget
from litho.serving.repository.versions import (
    Deployment,
    check_version,
    config_of_version,
    deployed,
    versions,
)

from ...attack.forge import flip
from ..conftest import Make
from ..killed import Killed, killed_at


@pytest.fixture
def models(variant_of: Make, tmp_path: Path) -> Path:
    """A repository whose model "tiny" has versions 1 to 3."""
    for name in ("first", "second", "third"):
        accepted = deploy(
            variant_of(name), to=tmp_path / "models", name="tiny", accept_failed=["generator.fp32.onnx"]
        )
    assert accepted.version == 3
    return tmp_path / "models"


def served(repository: Path) -> Deployment:
    found = deployed(repository, "tiny")
    assert found is not None
    return found


def damage(model: Path, version: int) -> None:
    (graph,) = (model / str(version) / "bundle").glob("*/*.onnx")
    flip(graph)


def put_on_trial(model: Path, version: int) -> None:
    """Leave version 3 as a canary of version 2, as a server would have proven it."""
    config = config_of_version(model, version)
    rollout.serve_version(model, version - 1)
    with rollout.write_directory(model.with_name("tiny-canary")) as canary:
        (model / str(version)).rename(canary / str(version))
        forget(model, version)
        config.name = "tiny-canary"
        config.parameters["litho_canary_of"].string_value = "tiny"
        config.parameters[SHARE_PARAMETER].string_value = "0.25"
        (canary / "config.pbtxt").write_text(rollout.print_config(config))


def nothing_is_left_over(repository: Path) -> None:
    names = {path.name for path in repository.iterdir()}
    assert names <= {"tiny", ".tiny.lock"}, names
    inside = {path.name for path in (repository / "tiny").iterdir()}
    present = versions(repository / "tiny")
    assert inside <= {*map(str, present), "config.pbtxt", "warmup"}, inside
    assert {int(path.name) for path in (repository / "tiny" / "warmup").iterdir()} <= set(present)
    for version in present:
        check_version(repository / "tiny", version)


def test_a_damaged_version_is_refused_by_name_and_skipped_only_if_asked(models: Path) -> None:
    damage(models / "tiny", 2)
    with pytest.raises(
        DeployError, match=r"version 2 of tiny is damaged: .*; version 3 is still served; --skip"
    ):
        rollback(models, "tiny")
    assert served(models).version == 3
    back = rollback(models, "tiny", skip_damaged=True)
    assert (back.version, back.server) == (1, None)
    assert back == served(models)


def test_if_every_earlier_version_is_damaged_none_is_served(models: Path) -> None:
    for version in (1, 2):
        damage(models / "tiny", version)
    with pytest.raises(
        DeployError, match="every version of tiny before 3 is damaged; version 3 is still served"
    ):
        rollback(models, "tiny", skip_damaged=True)
    assert served(models).version == 3


def test_a_model_is_removed_with_everything_that_it_has(models: Path) -> None:
    put_on_trial(models / "tiny", 3)
    assert undeploy(models, "tiny") is None
    assert not [*models.iterdir()]
    with pytest.raises(DeployError, match="not a model repository"):
        undeploy(models, "tiny")


def test_a_canary_is_promoted_or_aborted_and_nothing_else_happens_meanwhile(
    models: Path, bundle: Path
) -> None:
    put_on_trial(models / "tiny", 3)
    assert served(models).version == 2
    for verb in (
        lambda: rollback(models, "tiny"),
        lambda: deploy(Bundle.load(bundle), to=models, name="tiny"),
    ):
        with pytest.raises(
            DeployError, match="version 3 of tiny is a canary with 25% of the requests; end that"
        ):
            verb()
    shutil.copytree(models, models.with_name("others"))
    assert promote(models, "tiny").version == 3
    assert versions(models / "tiny") == [1, 2, 3]
    nothing_is_left_over(models)
    others = models.with_name("others")
    assert abort(others, "tiny").version == 2
    assert versions(others / "tiny") == [1, 2]
    nothing_is_left_over(others)
    for verb in (promote, abort):
        with pytest.raises(
            DeployError, match="tiny has no canary; start one with 'litho deploy BUNDLE --canary"
        ):
            verb(models, "tiny")


@pytest.mark.parametrize("verb", [rollback, promote, abort, undeploy])
def test_what_is_not_there_and_who_does_not_answer_is_told(verb: Callable[..., object], models: Path) -> None:
    with pytest.raises(UnknownName, match="known: tiny"):
        verb(models, "tinny")
    with pytest.raises(EndpointError, match=r"cannot reach grpc://127\.0\.0\.1:1"):
        verb(models, "tiny", server="grpc://127.0.0.1:1")
    with pytest.raises(UsageError, match="expected grpc://HOST:PORT"):
        verb(models, "tiny", server="127.0.0.1:1")
    with (
        locked(models / ".tiny.lock", LithoError()),
        pytest.raises(DeployError, match=r"another process .*tiny"),
    ):
        verb(models, "tiny")
    assert served(models).version == 3
    nothing_is_left_over(models)


def test_a_model_whose_name_ends_like_a_canary_is_left_alone(models: Path, bundle: Path) -> None:
    foreign = models / "tiny-canary"
    foreign.mkdir()
    (foreign / "config.pbtxt").write_text('backend: "python"\n')
    with pytest.raises(DeployError, match=r"tiny-canary is in the way.*move it away"):
        deploy(Bundle.load(bundle), to=models, name="tiny")
    settle_all(models)
    assert (foreign / "config.pbtxt").read_text() == 'backend: "python"\n'
    with pytest.raises(UsageError, match="taken by candidates"):
        deploy(Bundle.load(bundle), to=models, name="other-canary")


def bury(repository: Path) -> None:
    """Let temporary paths be those of a process that is gone, as this one would be."""
    for path in sorted(repository.rglob(f".*.partial-*-{os.getpid()}"), reverse=True):  # the inner ones first
        path.rename(path.with_name(f"{path.name.rpartition('-')[0]}-999999999"))


@pytest.mark.parametrize("verb", ["deploy", "first deploy", "rollback", "promote", "abort", "undeploy"])
def test_killed_at_any_step_leaves_the_old_version_or_the_new_one(
    verb: str, models: Path, variant_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = variant_of("new")
    if verb in ("promote", "abort"):
        put_on_trial(models / "tiny", 3)
    if verb == "first deploy":
        shutil.rmtree(models / "tiny")
    allowed = {
        "deploy": {3, 4},
        "first deploy": {None, 1},
        "rollback": {2, 3},
        "promote": {2, 3},
        "abort": {2},
        "undeploy": {None, 3},
    }[verb]

    def act(repository: Path) -> object:
        if "deploy" in verb and verb != "undeploy":
            return deploy(new, to=repository, name="tiny", accept_failed=["generator.fp32.onnx"])
        verbs = {"rollback": rollback, "promote": promote, "abort": abort, "undeploy": undeploy}
        return verbs[verb](repository, "tiny")

    seen = set()
    for step in range(200):
        repository = Path(shutil.copytree(models, tmp_path / f"killed at {step}"))
        try:
            with killed_at(step, monkeypatch):
                act(repository)
            finished = True
        except Killed:
            finished = False
            bury(repository)
        settle_all(repository)
        found = deployed(repository, "tiny")
        seen.add(found and found.version)
        if found is not None and not (repository / "tiny-canary").exists():
            nothing_is_left_over(repository)
        if finished:
            break
        if found is not None:  # the next deployment goes through
            for end in (promote, abort) if (repository / "tiny-canary").exists() else ():
                end(repository, "tiny")
                break
            deploy(new, to=repository, name="tiny", accept_failed=["generator.fp32.onnx"])
            nothing_is_left_over(repository)
        shutil.rmtree(repository)
    assert finished
    assert step > 1
    assert seen == allowed
