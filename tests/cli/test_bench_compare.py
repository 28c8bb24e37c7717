import json
from pathlib import Path

import litho

from .conftest import Command, Complaint

RESULTS = Path(litho.__file__).parent / "benchmarks/results"
FAST, SLOW = RESULTS / "cgan-digits-endpoint.json", RESULTS / "dcgan64-endpoint.json"


def test_a_slower_result_is_shown_and_fails(litho_here: Command, error_of: Complaint) -> None:
    done = litho_here("bench", "compare", FAST, SLOW)
    assert done.returncode == 1
    assert "B is slower: its speed is 0." in error_of(done)
    assert "concurrency 32, batch 1" in done.stdout


def test_json_has_effect_interval_and_verdict(litho_here: Command) -> None:
    done = litho_here("bench", "compare", SLOW, FAST, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["verdict"] == "faster"
    assert 1 < found["overall"]["low"] < found["overall"]["ratio"] < found["overall"]["high"]


def test_a_tolerance_that_is_no_share_is_refused(litho_here: Command, error_of: Complaint) -> None:
    done = litho_here("bench", "compare", FAST, FAST, "--tolerance", "5")
    assert done.returncode == 2
    assert "--tolerance was given 5; it takes a share above 0 and below 1" in error_of(done)


def test_what_is_no_result_is_refused_with_another_code_than_slower(
    litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    (tmp_path / "cut.json").write_text('{"schema_version"')
    done = litho_here("bench", "compare", FAST, tmp_path / "cut.json")
    assert done.returncode == 2
    assert "cut.json is not JSON" in error_of(done)
