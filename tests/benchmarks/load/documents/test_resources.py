import pytest

from litho.benchmarks.load.documents.resources import GpuUse, ProcessUse, Resources


def used(seconds, server=None, joules=None):
    return Resources(
        seconds=seconds,
        client=ProcessUse(cpu_seconds=seconds, memory_bytes=int(1e6 * seconds)),
        server=server,
        gpu=None if joules is None else GpuUse(memory_bytes=7, joules=joules, watts=joules / seconds),
    )


def test_windows_pool_to_all_their_time_and_the_most_memory():
    server = ProcessUse(cpu_seconds=2, memory_bytes=9)
    whole = Resources.pooled([used(1, server, 100), used(3, server, 500)])
    assert whole.client == ProcessUse(cpu_seconds=4, memory_bytes=3_000_000)
    assert whole.server == ProcessUse(cpu_seconds=4, memory_bytes=9)
    assert whole.gpu.joules == 600
    assert whole.gpu.watts == pytest.approx(150)
    assert whole.cpu_seconds == 8


def test_what_one_window_lacks_the_whole_lacks():
    whole = Resources.pooled([used(1, ProcessUse(cpu_seconds=2, memory_bytes=9), 3), used(1)])
    assert whole.server is whole.gpu is whole.stubs is None
