"""README's endpoints: one command serves, measures and writes."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from litho.benchmarks.endpoints import main
from litho.benchmarks.load.documents.result import read_result
from litho.benchmarks.shared.cores import cores_of
from litho.serving.server.environment import install


def ran(*arguments: object) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(main)
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize("given", ["bundle", "=bundle", "name="])
def test_a_bundle_without_a_name_is_refused(given: str) -> None:
    code, said = ran(given)
    assert code == 2
    assert f"{given!r} is no NAME=BUNDLE" in said


@pytest.mark.slow
def test_an_endpoint_is_measured_beside_its_bundle(bundle: Path, tmp_path: Path) -> None:
    install()
    cores = cores_of(share=False)
    options = ("--clients", "2", "--seconds", "2", "--output", tmp_path)
    code, said = ran(f"tiny={bundle}", *options, *(["--apart"] if cores else []))
    assert code == 0, said
    result = read_result(tmp_path / "tiny-endpoint.json")
    assert [point.load.concurrency for point in result.points] == [2]
    assert result.comparison is not None
    assert result.cores == cores
    assert (cores is None) == ("cores:" not in said)
