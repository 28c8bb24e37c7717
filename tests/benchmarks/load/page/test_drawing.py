import io
import json
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from litho.benchmarks.load.page.charts import Axis, band, bars, chart, dots, lines, rule
from litho.benchmarks.load.page.drawing import javascript, page_charts, png, script_policy, still

ROWS = [
    {"x": 1, "y": 2.0, "low": 1.5, "high": 2.5, "series": "p50", "label": "one"},
    {"x": 2, "y": 4.0, "low": None, "high": None, "series": "p50"},
    {"x": 1, "y": 8.0, "series": "p99"},
]
LAYERS = {
    "lines": lines(ROWS, Axis("load"), Axis("ms")),
    "lines over categories": lines(ROWS, Axis("load", "category"), Axis("ms", "log")),
    "dots": dots(ROWS, Axis("load", "log2"), Axis("ms", "near")),
    "bars": bars(ROWS, Axis("load", "category"), Axis("ms")),
    "rule and band": [*band(1, 2), *rule(3, "limit"), *dots(ROWS[:1], Axis("load"), Axis("ms"))],
}


def drawn(layers):
    return chart("Load", layers, alt="Time over load.", source="a test")


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_a_chart_is_drawn_in_both_themes_with_its_words(layers):
    made = still(drawn(layers))
    for picture in (made.light, made.dark):
        words = "".join(ElementTree.fromstring(picture).itertext())
        assert "load" in words
        assert "ms" in words
    assert made.light != made.dark
    assert made.alt == "Time over load."
    assert still(drawn(layers)) == made


def test_picture_for_a_readme_has_the_charts_side_by_side():
    one = drawn(LAYERS["lines"])
    single, double = (Image.open(io.BytesIO(png(charts, "Load", "a test"))) for charts in ([one], [one, one]))
    assert double.width > 1.8 * single.width
    assert double.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@given(st.text())
def test_no_text_of_a_chart_ends_the_script_of_its_page(text):
    rows = [{"x": text, "y": 1.0, "series": text}]
    written = page_charts(
        [chart(text, lines(rows, Axis(text, "category"), Axis(text)), alt=text, source=text)]
    )
    assert "<" not in written
    (read,) = json.loads(written)["charts"]
    assert read["layer"][0]["data"]["values"][0]["x"] == text


def test_script_is_whole_and_the_policy_names_it():
    script = javascript()
    assert "chart-data" in script
    assert "</script" not in script.lower()
    assert script_policy(script).startswith("'sha256-")
    assert script_policy(script) != script_policy(script + " ")
