"""The measurement of registries, small."""

from pathlib import Path

import pytest
import typer

from litho.benchmarks.registries.documents import RegistriesResult
from litho.benchmarks.registries.measure import RESULT, main
from litho.bundle.json_documents import read_as

from ...bundle.conftest import make


@pytest.mark.slow
def test_a_killed_push_and_pull_continue(tmp_path: Path) -> None:
    bundle = make(tmp_path / "bundle")
    main(bundle, mib=48, kinds="folder", output=tmp_path / "out.json")
    (run,) = read_as(RegistriesResult, "a result", tmp_path, "out.json", 1).runs
    assert run.same
    assert run.again_bytes == 0
    assert run.killed_pull_bytes > 0
    assert run.continued_bytes < 48 << 20


def test_an_unknown_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        main(tmp_path, kinds="ftp")
    assert "unknown kind of registry 'ftp' (known: folder, oci)" in capsys.readouterr().err


def test_the_stored_result_is_good() -> None:
    if not RESULT.is_file():
        pytest.skip("not measured yet")
    found = read_as(RegistriesResult, "a result", RESULT.parent, RESULT.name, 1)
    assert {run.kind for run in found.runs} == {"folder", "oci"}
    for run in found.runs:
        assert run.same
        assert run.again_bytes == 0
        assert all(one.good for one in run.refusals)
