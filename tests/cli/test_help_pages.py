import pytest
from typer import rich_utils

from .conftest import Command
from .test_base import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_whole_words_at_80_columns_and_no_type_of_a_flag(
    monkeypatch: pytest.MonkeyPatch, litho_here: Command, verb: str
) -> None:
    monkeypatch.setattr(rich_utils, "MAX_WIDTH", 80)
    shown = litho_here(*verb.split(), "--help").stdout
    assert max(map(len, shown.splitlines())) == 80
    assert "…" not in shown
    assert "<bool>" not in shown
    if verb == "deploy":
        assert "--max-queue-delay-microseconds" in shown
        assert "--[no-]preserve-ordering" in shown
