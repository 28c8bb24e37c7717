import numpy as np

from litho.benchmarks import bench
from litho.benchmarks.load.documents.latency import Percentile
from litho.benchmarks.load.documents.quality import Quality
from litho.benchmarks.load.documents.resources import GpuUse, ProcessUse, Resources
from litho.benchmarks.load.documents.result import Cost
from litho.benchmarks.load.documents.windows import Goodput, Latency
from litho.benchmarks.load.page.facts import facts, front
from litho.benchmarks.shared.cores import Cores


def test_what_was_not_measured_is_not_mentioned(planted_runner):
    assert facts(bench(planted_runner(), batch=(1,), seconds=0.03)) == []


def test_cores_that_were_kept_apart_are_said(planted_runner):
    result = bench(planted_runner(), batch=(1,), seconds=0.03)
    result = result.model_copy(update={"cores": Cores(server=(0, 1), clients=(2,))})
    assert ("cores", "the server on 2 cores, what asks it on 1 other") in facts(result)


def test_everything_that_was_measured_has_a_line(planted_runner):
    result = bench(planted_runner(), batch=(1,), seconds=0.03)
    used = ProcessUse(cpu_seconds=1, memory_bytes=1)
    point = result.points[0].model_copy(
        update={
            "achieved_in_flight": 7.9,
            "wanted_in_flight": 8,
            "quality": Quality(
                pictures=64, wrong=0, worst_difference=1, against="the probes of bundle x", precision="fp32"
            ),
            "goodput": Goodput(slo_ms=20, share=0.995, images_per_second=900),
            "steps_per_second": 80.0,
            "first_preview": Latency.of(np.array([12.0])),
            "resources": Resources(
                seconds=2,
                client=used,
                server=used,
                stubs=used,
                gpu=GpuUse(memory_bytes=1 << 30, joules=500, watts=250),
            ),
        }
    )
    found = dict(
        facts(
            result.model_copy(
                update={
                    "points": (point,),
                    "cost": Cost(
                        per_hour=3.6, currency="EUR", source="prices.csv, L4", images_per_second=100
                    ),
                    "cold_start_seconds": 0.5,
                    "sizes": {"engines/a.rtx": 2_000_000},
                    "build_seconds": {"engines/a.rtx": 1.5},
                }
            )
        )
    )
    shown = found["concurrency 1, batch 1"]
    for part in (
        "7.90 of 8 in flight",
        "64 pictures checked, none wrong",
        "900 images/s within 20 ms, 99.5% of the requests",
        "80.0 steps/s",
        "first preview after 12.0 ms",
        "cores: client 0.50, server 0.50, stubs 0.50",
        "250 W",
    ):
        assert part in shown
    assert found["pictures checked against"] == "the probes of bundle x, by the limits of fp32"
    assert found["1,000 images cost"] == "0.01 EUR at 3.6 an hour, prices.csv, L4, always busy"
    assert found["engines/a.rtx"].endswith("built in 1.5 s")
    assert found["opened and first picture made in"] == "0.50 s"


def test_the_front_has_the_loads_that_no_other_one_beats(planted_runner):
    point = bench(planted_runner(), batch=(1,), seconds=0.03).points[0]
    window = point.windows[0]

    def made(images, milliseconds):
        windows = (window.model_copy(update={"images": images, "seconds": 1.0}),)
        latency = point.latency.model_copy(update={"p50": Percentile(value_ms=milliseconds)})
        return point.model_copy(update={"windows": windows, "latency": latency})

    quick, fast, beaten = made(100, 1.0), made(400, 8.0), made(300, 9.0)
    assert front([quick, fast, beaten]) == [quick, fast]
    assert front([fast, fast]) == [fast, fast]
