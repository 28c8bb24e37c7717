from pathlib import Path

from litho.benchmarks.shared.targets import address_of, opened, target_name
from litho.bundle import Bundle


def test_a_runner_that_was_open_stays_open(planted_runner):
    runner = planted_runner()
    with opened(runner) as same:
        assert same is runner
    assert not runner.closed
    assert target_name(runner) == "a runner with planted faults"
    assert address_of(runner) == ""


def test_a_bundle_is_opened_and_called_by_its_path(bundle: Path):
    for target in (bundle, str(bundle), Bundle.load(bundle)):
        with opened(target) as runner:
            assert runner.run({"seed": [1], "label": [2]})["image"].any()
        assert target_name(target) == str(bundle)
