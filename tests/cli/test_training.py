"""Training and evaluation from the shell: the budget that fits, and where an evaluation goes."""

import json
from pathlib import Path

import pytest
import torch

from litho.training.run.resume import default_budget

from .conftest import Command, Complaint

FITS = "gpu" if torch.accelerator.is_available() else "cpu"


def test_without_a_budget_the_one_that_fits_this_machine_is_taken(
    litho_here: Command, tmp_path: Path
) -> None:
    done = litho_here("train", "gan-mnist", "--dry-run", cwd=tmp_path)
    assert json.loads(done.stdout)["budget"] == FITS
    budget, reason = default_budget(tmp_path / "runs" / "gan-mnist")
    assert (budget, reason) == (FITS, f"because this machine has {'a' if FITS == 'gpu' else 'no'} GPU")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--run", "file/run", "--run was given"),
        ("--data", "./absent", "data './absent' is not a file or folder"),
        ("--data", "digit", "unknown data 'digit'"),
        ("--data", "file", "is a file; expected a .parquet or .tar file"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    litho_here: Command, error_of: Complaint, tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    (tmp_path / "file").touch()
    done = litho_here("train", "gan-mnist", option, value, cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_evaluate_writes_to_its_output_and_leaves_the_run_alone(
    litho_here: Command, digits_run: Path, tmp_path: Path
) -> None:
    before = sorted(digits_run.iterdir()), (digits_run / "snapshot.json").read_bytes()
    words = (
        "evaluate",
        digits_run,
        "--data",
        "digits",
        "--samples",
        "128",
        "--output",
        tmp_path / "page.html",
        "--json",
    )
    done = litho_here(*words)
    assert json.loads(done.stdout) == json.loads((tmp_path / "page.json").read_text()), done.stderr
    assert (tmp_path / "page.html").exists()
    assert (sorted(digits_run.iterdir()), (digits_run / "snapshot.json").read_bytes()) == before
