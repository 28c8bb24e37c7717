"""The table of planted slowdowns."""

from litho.benchmarks.figures import regressions
from litho.benchmarks.figures.base import Results


def test_the_table_counts_the_trials_of_both_kinds() -> None:
    trials = Results().read("regressions")["trials"]
    planted = [one for one in trials if one["slowdown"]]
    texts = regressions.write(Results())
    same, slower = texts[""].splitlines()[2:]
    assert f"of {len(trials) - len(planted)} |" in same
    assert f"{sum(one['verdict'] == 'slower' for one in planted)} of {len(planted)} |" in slower
