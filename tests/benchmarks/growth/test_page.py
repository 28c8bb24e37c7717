"""The page of growth, of a document that was put together by hand."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from litho.benchmarks.growth.page import charts_of, page, picture, powers
from litho.benchmarks.growth.series import Against, GrowthResult, Series
from litho.benchmarks.shared.machine import describe_machine


def series(against: Against, value: Callable[[int], float], **facts: Any) -> Series:
    """One that doubles from 1 to 64, measured three times."""
    measured = {x: [value(x) * noise for noise in (0.99, 1.0, 1.01)] for x in (1, 2, 4, 8, 16, 32, 64)}
    facts = {"name": "tiny", "form": "a form", "quantity": "milliseconds of a batch", **facts}
    return Series.of(measured, against=against, **facts)


@pytest.fixture(scope="module")
def result() -> GrowthResult:
    return GrowthResult(
        command="growth tiny",
        measured_at="2026-01-02T03:04:05+00:00",
        seconds=1,
        threads=1,
        machine=describe_machine(),
        series=(
            series("batch", lambda x: 2.0 * x, left_out="128: five runs take more than 8 s"),
            series("batch", lambda x: 3.0 * x**0.5, name="other"),
            series("clients", lambda x: 100.0 * min(x, 8), quantity="images a second"),
            series("models", lambda x: 100.0 + 90 * (x % 3), quantity="MiB of the server and its stubs"),
        ),
    )


def test_powers_are_said_in_a_few_words(result: GrowthResult) -> None:
    said = [powers(one.growth) for one in result.series]
    assert said[:2] == ["x^1.00", "x^0.50"]
    assert said[2].startswith("x^1.00, then x^")
    assert said[3].startswith("about x^")


def test_a_chart_has_all_generators_with_the_lines_of_their_fits(result: GrowthResult) -> None:
    batch, clients, _ = charts_of(result)
    assert batch.title == "Milliseconds of a batch"
    assert "tiny x^1.00; other x^0.50" in batch.alt
    line, *_ = clients.specification["layer"]
    pieces = {row["piece"] for row in line["data"]["values"]}
    assert pieces == {0, 1}, "each of the two powers has a line"


def test_the_page_begins_with_what_clients_get(result: GrowthResult, read_page: Callable[..., Any]) -> None:
    shown = read_page(page(result))
    (verdict,) = shown.of_class("verdict")
    assert "tiny: images a second by clients grow as x^1.00, then x^" in verdict.text
    for expected in (result.machine.processor, "2026-01-02", "time of a batch", "batch 1 to 64"):
        assert expected in verdict.text
    assert "milliseconds of a batch was not measured at 128: five runs take more than 8 s" in shown.text
    assert "follows no power law" in shown.text
    headings = [heading.text for heading in shown.all("h2")]
    assert headings == ["Pictures in a batch", "Clients of a server", "Models in a server", "Method"]
    assert shown.text.count("Over a point stand its figures") == 1


def test_the_picture_is_a_png(result: GrowthResult) -> None:
    assert Image.open(io.BytesIO(picture(result))).format == "PNG"
