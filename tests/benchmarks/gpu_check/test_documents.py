"""The table of the check of every family."""

from litho.benchmarks.gpu_check.documents import Check, Row, rows_of
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Timing, Verdict


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
