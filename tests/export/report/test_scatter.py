from __future__ import annotations

import re

from litho.export.report.scatter import speed_chart

from .conftest import VARIANTS


def test_the_plot_names_every_timed_variant_once() -> None:
    labels = {one.name: one.precision for one in VARIANTS}
    chart = speed_chart(VARIANTS, ["generator.int8.openvino.onnx"], labels)
    assert chart is not None
    svg = chart.light.decode()
    for name in ("fp32", "int8", "fp8"):
        assert len(re.findall(rf">{name}<", svg)) == 1
    assert "bf16" not in svg
    assert chart.dark != chart.light
    assert speed_chart(VARIANTS[:1], (), labels) is None
