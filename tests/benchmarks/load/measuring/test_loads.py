import pytest

from litho.benchmarks.load.measuring.loads import choose_loads
from litho.benchmarks.load.scenarios import open_scenario
from litho.errors import UsageError


def test_usual_loads_are_those_of_the_runner(planted_runner, planted_endpoint):
    closed = open_scenario("closed-loop")
    assert [load.batch for load in choose_loads(planted_runner(), closed)] == [1, 2, 4, 8, 16, 32]
    assert [load.concurrency for load in choose_loads(planted_endpoint(), closed)] == [1, 2, 4, 8, 16, 32]


def test_an_open_loop_has_rates(planted_endpoint):
    loads = choose_loads(planted_endpoint(), open_scenario("poisson"), rate=[50, 0.5], batch=[1, 2])
    assert [(load.rate, load.batch) for load in loads] == [(50, 1), (0.5, 1), (50, 2), (0.5, 2)]
    assert str(loads[1]) == "0.5 requests/s, batch 1"


@pytest.mark.parametrize(
    ("scenario", "given", "message"),
    [
        ("closed-loop", {"rate": [5]}, "--rate was given .* ignores; use --concurrency"),
        ("poisson", {"concurrency": [5], "rate": [5]}, "--concurrency was given .* ignores; give --rate"),
        ("poisson", {}, "needs --rate"),
        ("poisson", {"rate": [0]}, "different numbers above 0"),
        ("poisson", {"rate": [2, 2]}, "different numbers above 0"),
        ("poisson", {"rate": [2], "batch": [0]}, "batch was given"),
        ("closed-loop", {"concurrency": [1, 1]}, "concurrency was given"),
    ],
)
def test_what_would_be_ignored_or_is_not_allowed_is_refused(planted_endpoint, scenario, given, message):
    with pytest.raises(UsageError, match=message):
        choose_loads(planted_endpoint(), open_scenario(scenario), **given)
