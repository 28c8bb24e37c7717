from pathlib import Path

import pytest

from .conftest import Command, Complaint


def test_the_table_and_the_document(litho_here: Command, bundle: Path, tmp_path: Path) -> None:
    done = litho_here("bench", "limits", bundle, "--batch", "1", "--seconds", "0.01", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Peak of fp32 in onnxruntime" in done.stdout
    assert "share at 1" in done.stdout
    assert (tmp_path / "limits.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--batch", "0"), "different numbers of at least 1"),
        (("--batch", "one"), "expected whole numbers"),
        (("--seconds", "0"), "expected a number above 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    litho_here: Command, error_of: Complaint, tmp_path: Path, words: tuple[str, str], message: str
) -> None:
    done = litho_here("bench", "limits", tmp_path, *words)
    assert done.returncode == 2
    assert message in error_of(done)


def test_an_endpoint_has_no_graph_to_count(litho_here: Command, error_of: Complaint) -> None:
    done = litho_here("bench", "limits", "grpc://127.0.0.1:8001/digits")
    assert done.returncode == 2
    assert "is no bundle and no run" in error_of(done)
