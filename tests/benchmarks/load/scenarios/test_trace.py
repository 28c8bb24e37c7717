import numpy as np
import pytest

from litho.benchmarks.load.scenarios.trace import Scenario
from litho.errors import UsageError


def trace(folder, text):
    file = folder / "trace.csv"
    file.write_text(text)
    return Scenario(file)


def test_a_trace_is_replayed_and_starts_again(tmp_path):
    scenario = trace(tmp_path, "seconds\n100\n101\n103\n")
    # Three requests, and a mean gap after the last one.
    assert scenario.own_rate == pytest.approx(1.0 / 1.5)
    generator = np.random.default_rng()
    assert scenario.times(scenario.own_rate, 8.0, generator).tolist() == pytest.approx(
        [0, 1, 3, 4.5, 5.5, 7.5]
    )
    # At twice the rate everything takes half the time.
    assert scenario.times(2 / 1.5, 3.0, generator).tolist() == pytest.approx([0, 0.5, 1.5, 2.25, 2.75])
    assert scenario.requests() == ()


def test_a_trace_says_what_requests_ask_for(tmp_path):
    scenario = trace(tmp_path, "seconds,steps,n\n0,4,1\n1,20,\n")
    assert scenario.requests() == ({"steps": "4", "n": "1"}, {"steps": "20"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 requests"),
        ("time\n1\n2\n", "no number in the column 'seconds'"),
        ("seconds\n1\nsoon\n", "no number in the column 'seconds'"),
        ("seconds\n1\n", "has 1 requests"),
        ("seconds\n2\n1\n", "never go back"),
        ("seconds\n1\nnan\n", "never go back"),
        ("seconds\n1\n1\n", "at the same moment"),
    ],
)
def test_another_file_is_refused(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        trace(tmp_path, text)


def test_a_trace_needs_a_file(tmp_path):
    with pytest.raises(UsageError, match="needs --trace"):
        Scenario()
    with pytest.raises(UsageError, match="cannot read"):
        Scenario(tmp_path / "none.csv")
