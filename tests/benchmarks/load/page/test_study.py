from litho.benchmarks.load.page.charts import Axis, chart, lines
from litho.benchmarks.load.page.study import Part, Study, machine_facts, render_study
from litho.benchmarks.shared.machine import describe_machine


def test_parts_are_sections_with_their_charts_and_tables(read_page) -> None:
    drawn = lines([{"x": 1, "y": 2}, {"x": 2, "y": 3}], Axis("x"), Axis("y"))
    parts = [
        Part(
            "Measured",
            charts=[chart("Growth", drawn, alt="y grows", source="y of x")],
            tables=[(["name", "value|right"], [["a <b>", "1"]], "All")],
        ),
        Part("Remarks", remarks=["nothing was left out"]),
    ]
    study = Study(
        "Limits", "tiny", "It is fast.", [("share", "50%", "")], [("date", "today")], parts, [("How", "so")]
    )
    page = read_page(render_study(study))
    assert [heading.text for heading in page.all("h2")] == ["Measured", "Remarks", "Method"]
    assert "a <b>" in page.text
    assert "nothing was left out" in page.text
    assert len(page.of_class("live")) == 2, "a chart, and how to use it"


def test_a_machine_is_named() -> None:
    machine = describe_machine()
    assert machine.processor in dict(machine_facts(machine))["Processor"]
