from collections.abc import Callable
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import DeployError, UnknownName
from litho.serving.configuration.checks import Violation
from litho.serving.configuration.settings import ServingSettings
from litho.serving.repository import planning
from litho.serving.repository.planning import Plan, Wanted, problems

from ..described import engine


def test_settings_that_are_not_given_are_the_flavours(bundle: Path) -> None:
    plan = Plan.of(bundle, Wanted(flavour="onnxruntime", settings={"threads": 2}))
    assert (plan.description.settings.threads, plan.description.settings.max_queue_size) == (2, 1024)
    exactly = Plan.of(bundle, Wanted(flavour="onnxruntime", settings=ServingSettings()))
    assert exactly.description.settings.max_queue_size is None


def test_a_plan_breaks_no_rule_and_knows_an_equal_one(bundle: Path) -> None:
    first, second = (Plan.of(bundle, Wanted(), version=version) for version in (1, 2))
    assert first.violations() == second.violations() == []
    assert first.is_same(second.configs)
    assert not first.is_same(Plan.of(bundle, Wanted(settings={"threads": 1})).configs)
    assert not first.is_same({})


def test_every_problem_is_listed_and_nothing_is_written(bundle: Path) -> None:
    before = sorted(bundle.rglob("*"))
    wanted = Wanted(
        settings={"priority_levels": 2, "default_priority": 3, "live_rows": 0, "max_batch_size": 999}
    )
    assert [str(one) for one in problems(bundle, wanted)] == [
        "live_rows was given 0; allowed is 1 or more [settings]",
        "default_priority was given 3; allowed is 1 to priority_levels, 2 [settings]",
        "live_rows was given without batching 'in-flight', which alone has them [settings]",
        "max_batch_size is 999; variant 'generator.fp32.onnx' takes at most 64 [settings]",
    ]
    assert problems(bundle, Wanted()) == []
    assert sorted(bundle.rglob("*")) == before


def test_a_plan_that_breaks_a_rule_is_refused_with_the_first_one(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting leads there today."""
    broken = [Violation("toy", "it is broken"), Violation("toy", "and so is this")]
    monkeypatch.setattr(planning, "check_plan", lambda *_: broken)
    with pytest.raises(DeployError, match=r"Triton would not serve tiny: it is broken \[toy\] \(and 1 more"):
        Plan.of(bundle, Wanted(name="tiny")).check()


def test_a_flavour_without_a_variant_and_unknown_names_are_refused(bundle: Path) -> None:
    with pytest.raises(DeployError, match=r"no engine that flavour 'tensorrt' serves, .* litho build-engine"):
        Plan.of(bundle, Wanted(flavour="tensorrt"))
    with pytest.raises(UnknownName, match="unknown flavour"):
        Wanted(flavour="python")
    with pytest.raises(UnknownName, match="unknown grade"):
        Wanted(grade="any")  # pyright: ignore[reportArgumentType]


def test_engines_for_other_gpus_are_served_if_they_are_named_or_signed(
    variant_of: Callable[..., Bundle], bundle: Path
) -> None:
    names = ("generator.fp32.sm86.plan", "generator.fp32.sm90.plan")
    file = Bundle.load(bundle).manifest.variants[0].file
    engines = [engine(target).model_dump() | {"file": file} for target in ("sm86", "sm90")]
    changed = variant_of("engines", others=engines)
    for accepted, targets in ((names[:1], []), (names, ["sm90"])):
        plan = Plan.of(changed, Wanted(flavour="tensorrt", accept_failed=accepted))
        assert [one.target for one in plan.description.variants] == ["sm86"]
        assert [one.target for one in plan.description.engines] == targets
        assert plan.violations() == []
