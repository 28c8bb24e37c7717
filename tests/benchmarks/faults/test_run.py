import typer
from typer.testing import CliRunner

from litho.benchmarks.faults.run import FAULTS, main


def test_faults_have_names_and_say_what_is_done() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 16
    assert all(fault.title and "\n" not in fault.title for fault in FAULTS)


def test_an_unknown_fault_is_refused() -> None:
    app = typer.Typer()
    app.command()(main)
    refused = CliRunner().invoke(app, ["bundles/digits", "--only", "stub-kiled"])
    assert refused.exit_code == 2
    assert "did you mean 'stub-killed'" in refused.output
