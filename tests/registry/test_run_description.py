"""What a run says of itself, read without torch."""

import json
from pathlib import Path

import pytest

from litho.errors import SchemaError
from litho.registry.run_description import read_run

from .conftest import make_run


def test_a_run_has_figures_of_its_own_weights_only(small_run: Path) -> None:
    run = read_run(small_run)
    assert [(figure.metric, figure.reference) for figure in run.figures] == [("FD", 1.0)]
    assert (run.samples, run.evaluated_on, run.nimg) == ("samples/0000054000.png", "digits", 54000)
    evaluation = json.loads((small_run / "evaluation.json").read_text())
    (small_run / "evaluation.json").write_text(json.dumps({**evaluation, "weights_sha256": "0" * 64}))
    assert read_run(small_run).figures == ()


def test_figures_of_an_older_evaluation_are_read(small_run: Path) -> None:
    text = (small_run / "evaluation.json").read_text()
    (small_run / "evaluation.json").write_text(text.replace('"reference"', '"floor"'))
    assert read_run(small_run).figures[0].reference == 1.0


def test_a_new_run_has_neither_evaluation_nor_samples(small_run: Path) -> None:
    (small_run / "evaluation.json").unlink()
    for path in (small_run / "samples").iterdir():
        path.unlink()
    run = read_run(small_run)
    assert (run.figures, run.samples) == ((), None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema_version": 2}, "upgrade with"),
        ({"weights_sha256": "x"}, "is not a document of a run: weights_sha256"),
        ({"quality": {"a": "NaN"}}, "quality"),
        ({"samples": "../secret"}, None),
    ],
)
def test_a_damaged_description_is_refused(
    tmp_path: Path, changes: dict[str, object], said: str | None
) -> None:
    run = make_run(tmp_path / "run")
    document = json.loads((run / "snapshot.json").read_text())
    (run / "snapshot.json").write_text(json.dumps({**document, **changes}))
    if said is None:
        assert read_run(run).samples == "samples/0000054000.png"
        return
    with pytest.raises(SchemaError, match=said):
        read_run(run)
