import base64
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

import litho
from litho.benchmarks import bench, read_result
from litho.benchmarks.load.page.page import page, picture, view

RESULTS = Path(litho.__file__).parent / "benchmarks/results"


@pytest.fixture(scope="module")
def shown(result, read_page):
    return read_page(page(result))


def test_page_begins_with_verdict_speed_model_date_and_machine(result, shown):
    (verdict,) = shown.of_class("verdict")
    passed = "passed" if result.comparison.passed else "failed"
    assert verdict.of_class("badge")[0].text == passed
    for expected in (
        f"{result.comparison.ratio:.2f} times the images/s",
        "the limit is 0.8",
        str(result.best.load),
        result.measured_at[:10],
        result.machine.processor,
    ):
        assert expected in verdict.text


def test_a_ratio_of_scattered_pairs_is_not_shown(result, read_page):
    slow, *others = result.comparison.pairs
    first = slow.first.model_copy(update={"images": max(1, slow.first.images // 3)})
    pairs = (slow.model_copy(update={"first": first}), *others)
    comparison = result.comparison.model_copy(update={"pairs": pairs, "at_least": None})
    assert comparison.scattered
    shown = read_page(page(result.model_copy(update={"comparison": comparison}))).text
    assert "is not known: the ratios of the pairs vary from" in shown
    assert f"{comparison.ratio:.2f} times" not in shown
    assert f"{comparison.ratio:.2f} ×" not in shown
    assert f"{comparison.ratio:.3f} (median" not in shown


def test_page_escapes_what_it_is_given(result, read_page):
    hostile = '</title><script>alert("x")</script><img src="https://example.invalid/x.png">'
    shown = read_page(page(result.model_copy(update={"target": hostile, "runner": hostile})))
    assert hostile in shown.text


def test_page_shows_server_statistics_memory_method_and_machine(result, shown):
    for part in ("batch formed", "queue ms", "Memory under load", result.machine.processor, "not counted"):
        assert part in shown.text
    assert str(result.method.first_seed) in shown.text
    folded = [details.all("h2")[0].text for details in shown.all("details")]
    assert folded == ["Method", "Machine"]


def test_every_chart_has_a_picture_for_both_themes_a_place_for_the_script_and_a_source(shown):
    figures = shown.of_class("chart")
    # Trade, percentiles, throughput, parts, batches, processor time, memory, pairs, and memory of the soak.
    assert len(figures) == 9
    places = []
    for figure in figures:
        (dark,), (light,) = figure.all("source"), figure.all("img")
        assert "dark" in dark.attributes["media"]
        for address in (dark.attributes["srcset"], light.attributes["src"]):
            assert ElementTree.fromstring(base64.b64decode(address.partition(",")[2])).tag.endswith("svg")
        places += [div.attributes["data-chart"] for div in figure.of_class("drawing")]
        assert "Source: " in figure.text
    assert places == [str(index) for index in range(len(figures))]


def test_a_result_with_many_failures_is_invalid(result, read_page):
    point = result.points[0].model_copy(update={"failed_share": 0.03})
    shown = read_page(page(result.model_copy(update={"points": (point,), "comparison": None})))
    (verdict,) = shown.of_class("verdict")
    assert verdict.of_class("badge")[0].text == "invalid"
    assert "Not a result: " in verdict.text
    assert "3.0% of the requests failed" in verdict.text
    assert "highest throughput" not in verdict.text


def test_same_result_gives_the_same_page(result):
    assert page(result) == page(result)


def test_picture_is_a_png(result):
    assert Image.open(io.BytesIO(picture(result))).format == "PNG"


def test_in_process_result_has_no_charts_of_a_server(planted_runner, read_page):
    result = bench(planted_runner(), batch=(1,), seconds=0.03)
    titles = [chart["title"] for chart in view(result)["charts"]]
    assert len(titles) == 4
    assert not any("batches" in title or "Parts" in title for title in titles)
    shown = read_page(page(result))
    assert "None" not in shown.text
    assert shown.of_class("verdict")[0].of_class("badge")[0].text in {"valid", "not stable", "not judged"}


@pytest.mark.parametrize("name", ["cgan-digits-endpoint", "dcgan64-endpoint"])
def test_stored_results_of_older_schemas_make_a_page(name, read_page):
    shown = read_page(page(read_result(RESULTS / f"{name}.json")))
    assert "AMD EPYC" in shown.of_class("verdict")[0].text
