import pytest

from litho import __version__
from litho.benchmarks.shared.machine import describe_machine


def test_machine_says_what_decides_about_speed():
    machine = describe_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert machine.memory_bytes > 1 << 28
    assert machine.versions["litho"] == __version__
    assert {"python", "numpy", "tritonclient"} <= set(machine.versions)


def test_endpoint_that_does_not_answer_has_no_version():
    assert describe_machine("grpc://127.0.0.1:1/digits").versions == describe_machine().versions


@pytest.mark.parametrize(("cores", "said"), [(1, "a processor, 1 core"), (16, "a processor, 16 cores")])
def test_a_machine_is_said_in_words(cores: int, said: str) -> None:
    machine = describe_machine().model_copy(update={"processor": "a processor", "cores": cores})
    assert machine.said == said
