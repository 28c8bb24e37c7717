"""The search proposes nothing twice, ends when all was tried, goes on after a break, and finds what is good."""

from litho.benchmarks.tuning.documents import Trial
from litho.benchmarks.tuning.search import Search
from litho.benchmarks.tuning.space import Candidate, Space

SPACE = Space({"generator.fp32.onnx": 64, "generator.bf16.onnx": 64})


def score(candidate: Candidate) -> float | None:
    """One of a few hundred candidates is the best; four instances of one variant cannot be served."""
    settings = candidate.settings
    quick = candidate.variant == "generator.bf16.onnx"
    if quick and settings.get("instance_count") == 4:
        return None
    few = settings.get("instance_count") == 1
    return 1 + 0.5 * quick + 0.5 * few + 0.2 * (settings.get("threads") == 1) - 0.1 * len(settings)


def search_for(search: Search, count: int, start: int = 0) -> list[Trial]:
    trials = []
    while len(trials) < count and (asked := search.ask()) is not None:
        found = score(asked.candidate)
        search.tell(asked, found)
        trials.append(
            Trial(
                number=start + len(trials),
                variant=asked.candidate.variant,
                settings=dict(asked.candidate.settings),
                parameters=dict(asked.parameters),
                state="failed" if found is None else "measured",
                score=found,
            )
        )
    return trials


def keys(trials: list[Trial]) -> list[object]:
    return [Candidate(one.variant, one.settings).key for one in trials]


def test_nothing_is_tried_twice_and_the_default_never() -> None:
    tried = keys(search_for(Search(SPACE), 40))
    assert len(set(tried)) == len(tried) == 40
    assert SPACE.default.key not in tried


def test_variants_come_first_and_the_best_is_found() -> None:
    trials = search_for(Search(SPACE), 30)
    assert trials[0].variant == "generator.bf16.onnx"
    assert not trials[0].settings
    assert max(one.score for one in trials if one.score is not None) >= 1.8
    later = trials[15:]
    assert sum(one.state == "failed" for one in later) <= 3


def test_a_small_space_is_exhausted() -> None:
    tiny = Space({"generator.fp32.onnx": 1}, cores=1)
    trials = search_for(Search(tiny), 100)
    assert len(trials) == len(set(keys(trials)))
    assert {tuple(one.settings.items()) for one in trials} == {(("instance_count", 1),)}


def test_a_search_goes_on_with_the_trials_of_an_earlier_one() -> None:
    before = search_for(Search(SPACE), 15)
    read = [Trial.model_validate_json(one.model_dump_json()) for one in before]
    after = search_for(Search(SPACE, read), 15, start=15)
    assert len(set(keys(before + after))) == 30
