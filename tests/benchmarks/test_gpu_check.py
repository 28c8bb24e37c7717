"""The check of every family on a GPU, as far as it can be tried without one."""

import pytest
from typer import Typer
from typer.testing import CliRunner

from litho.benchmarks.gpu_check import Check, Row, check_families, main, rows_of
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Timing, Verdict
from litho.errors import UnknownName


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown family 'gam'"):
        check_families(("gam",), ("fp32",), "cpu")


def test_without_a_gpu_it_says_so_and_leaves(without_gpu: None) -> None:
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["gan"])
    assert result.exit_code == 2
    assert "to try the check itself without a GPU: --device cpu" in result.output


def test_the_table_shows_what_ran_and_what_did_not() -> None:
    timings = tuple(Timing(batch=batch, p50_ms=2.0, images_per_second=batch * 500) for batch in (1, 8, 32))
    rows = (
        Row(
            family="gan",
            name="torch eager",
            precision="fp32",
            verdict=Verdict(status="passed"),
            timings=timings,
        ),
        Row(family="gan", name="x.rtx", precision="fp16", verdict=Verdict(status="not_run", reason="no GPU")),
    )
    *_, ran, waited = rows_of(Check(device="cpu", rows=rows, machine=describe_machine()))
    assert ran == "| gan | torch eager | fp32 | passed | 2.00 | 4,000 | 16,000 |"
    assert waited == "| gan | x.rtx | fp16 | not run | – | – | – |"
