from litho.benchmarks.load.documents.resources import ProcessUse, Resources
from litho.benchmarks.load.page.resource_plots import memory_chart, resource_charts


def test_memory_is_in_percent_of_the_settled_size(result):
    rows = memory_chart(result.soak).specification["layer"][-1]["data"]["values"]
    settled = [row["y"] for row in rows if row["x"] == result.soak.settled.requests]
    assert settled == [100.0] * len(settled)


def test_processor_time_is_per_image_and_what_was_not_measured_is_left_out(result):
    used = Resources(
        seconds=1.0,
        client=ProcessUse(cpu_seconds=0.5, memory_bytes=2**20),
        server=ProcessUse(cpu_seconds=1.0, memory_bytes=3 * 2**20),
    )
    point = result.points[0].model_copy(update={"resources": used})
    processor, memory = resource_charts(result.model_copy(update={"points": (point,)}))
    rows = processor.specification["layer"][0]["data"]["values"]
    assert {row["series"]: row["y"] for row in rows} == {
        "client": 500 / point.images,
        "server": 1000 / point.images,
    }
    assert [row["y"] for row in memory.specification["layer"][0]["data"]["values"]] == [1, 3]
    bare = point.model_copy(update={"resources": None})
    assert resource_charts(result.model_copy(update={"points": (bare,)})) == []
