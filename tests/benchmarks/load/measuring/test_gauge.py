import subprocess
import sys
import time
from typing import Any

import pytest

from litho.benchmarks.load.measuring.gauge import GpuMeter, ProcessGauge, gauge_of

BUSY = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "print(flush=True); input(); {burn}; print(flush=True); input()"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
child.stdout.readline(); print(flush=True); input()
child.stdin.write("\\n"); child.stdin.flush(); child.stdout.readline()
print(flush=True); input()
child.communicate("\\n")
""".replace(
    "{burn}",
    "import time; start = time.process_time(); [0 for _ in iter(lambda: time.process_time() < start + 0.3, 0)]",
)


@pytest.mark.slow
def test_server_and_stubs_are_read_apart_from_the_client() -> None:
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        server.stdout.readline()
        gauge = ProcessGauge(server.pid)
        gauge.begin()
        server.stdin.write("\n")
        server.stdin.flush()
        server.stdout.readline()
        used = gauge.end()
        server.communicate("\n")
    assert used is not None
    assert used.server is not None
    assert used.stubs is not None
    assert used.stubs.cpu_seconds >= 0.25
    assert used.server.cpu_seconds < 0.1
    assert used.client.cpu_seconds < 0.25
    assert min(used.client.memory_bytes, used.server.memory_bytes, used.stubs.memory_bytes) > 1 << 20
    assert used.gpu is None


def test_this_process_is_the_client_where_nothing_is_sent() -> None:
    gauge = gauge_of("")
    assert gauge is not None
    gauge.begin()
    start = time.process_time()
    while time.process_time() < start + 0.05:
        pass
    used = gauge.end()
    assert used is not None
    assert used.client.cpu_seconds >= 0.03  # processor time is counted in hundredths
    assert used.server is None


def test_a_load_whose_process_has_ended_is_not_guessed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as client:
        gauge = ProcessGauge()
        gauge.begin([client.pid])
        client.communicate(b"\n")
        assert gauge.end() is None


class Meters:
    """A library of two GPUs of 100 and 200 W, for machines that have none.

    Args:
        counts: whether they count their energy.
    """

    class NVMLError(Exception):
        pass

    def __init__(self, *, counts: bool) -> None:
        self.counts, self.millijoules = counts, 5e6

    def nvmlDeviceGetTotalEnergyConsumption(self, device: int) -> float:
        if not self.counts:
            raise self.NVMLError
        return self.millijoules * device

    def nvmlDeviceGetPowerUsage(self, device: int) -> float:
        return 1e5 * device

    def nvmlDeviceGetMemoryInfo(self, device: int) -> Any:
        return type("Memory", (), {"used": 1000 * device})


@pytest.mark.parametrize("counts", [True, False])
def test_energy_is_counted_by_the_gpu_or_else_sampled(counts: bool) -> None:
    library = Meters(counts=counts)
    meter = GpuMeter(library, [1, 2])
    for _ in range(2):
        before = time.perf_counter()
        meter.begin()
        time.sleep(0.02)
        library.millijoules += 1e4
        used = meter.end()
        seconds = time.perf_counter() - before
        assert used.memory_bytes == 3000
        if counts:
            assert used.joules == pytest.approx(30)
            assert 30 / seconds <= used.watts <= 30 / 0.02
        else:
            # Both GPUs take 300 W all the time, however late a sample comes.
            assert used.watts == pytest.approx(300)
            assert 300 * 0.02 <= used.joules <= 300 * seconds


def test_without_a_driver_there_is_no_meter() -> None:
    meter = GpuMeter.opened()
    if meter is None:
        return  # as on most machines that run this
    meter.begin()
    used = meter.end()
    assert used.memory_bytes > 0
    assert used.watts >= 0
