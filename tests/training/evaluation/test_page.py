from pathlib import Path
from typing import Any

import pytest

from litho.training.evaluation.evaluate import evaluate

pytestmark = pytest.mark.slow


def test_the_page_begins_with_the_headline_figures_and_holds_all(run: Path, read_page: Any) -> None:
    evaluation = evaluate(run, samples=100)
    page = read_page((run / "evaluation.html").read_text())
    (verdict,) = page.of_class("verdict")
    for expected in ("cgan-digits", evaluation.figures[0].metric, evaluation.data, evaluation.device):
        assert expected in verdict.text
    headings = [heading.text for heading in page.all("h2")]
    assert headings[0] == "Samples"
    assert {section.title for section in evaluation.sections} <= set(headings)
    rows = [row.all("th")[0].text for table in page.all("table") for row in table.all("tbody")[0].all("tr")]
    for figure in evaluation.figures:
        assert figure.metric in rows
    assert len(page.of_class("pixels")) >= 3
