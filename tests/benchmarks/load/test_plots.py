import base64
from xml.etree import ElementTree

import pytest

from litho.benchmarks.load.report import page

pytestmark = pytest.mark.slow


def test_page_has_every_plot_for_a_light_and_a_dark_page(result, read_page):
    # Latency, throughput, parts of the latency, batches and memory.
    figures = read_page(page(result)).of_class("chart")
    assert len(figures) == 5
    for figure in figures:
        (dark,), (light,) = figure.all("source"), figure.all("img")
        assert dark.attributes["media"] == "(prefers-color-scheme: dark)"
        for address in (dark.attributes["srcset"], light.attributes["src"]):
            drawing = base64.b64decode(address.partition(",")[2])
            assert ElementTree.fromstring(drawing).tag.endswith("svg")
