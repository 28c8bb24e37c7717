from functools import partial
from pathlib import Path

from litho.benchmarks.shared.candidates import Candidate, prove_and_time
from litho.bundle import Bundle
from litho.errors import MissingExtra
from litho.export.timing import BATCHES
from litho.runners import Runner, open_runner


def absent() -> Runner:
    raise MissingExtra("absent", "gpu")


def test_only_what_made_pictures_is_timed(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    candidates = {
        "here": Candidate("fp32", partial(open_runner, opened)),
        "absent": Candidate("fp32", absent),
    }
    steps: list[str] = []
    found = prove_and_time(candidates, opened.probes(), lambda step, share: steps.append(step))
    verdict, timings = found["here"]
    assert verdict.status == "passed"
    assert [timing.batch for timing in timings] == list(BATCHES)
    verdict, timings = found["absent"]
    assert (verdict.status, timings) == ("not_run", ())
    assert steps[:2] == ["replaying here", "replaying absent"]
