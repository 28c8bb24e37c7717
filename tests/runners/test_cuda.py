from typing import Any

import numpy as np
import pytest

from litho.errors import DeviceError
from litho.runners._cuda import Device, Gpu, find_device


@pytest.fixture
def gpu(paper: Any) -> Gpu:
    return Gpu(find_device("rtx"), "rtx")


def test_a_gpu_is_found_with_its_name_capability_and_driver(paper: Any) -> None:
    assert find_device("rtx") == Device(0, "Paper GPU", "sm86", "13.0")
    with pytest.raises(DeviceError, match="there is no GPU 1: the driver finds 1"):
        find_device("rtx", 1)


def test_an_array_comes_back_from_the_gpu_and_no_memory_stays_there(paper: Any, gpu: Gpu) -> None:
    given, back = gpu.pinned((3, 5), np.float32), gpu.pinned((3, 5), np.float32)
    given[:] = np.arange(15).reshape(3, 5)
    pointer = gpu.allocate(given.nbytes)
    gpu.upload(given, pointer)
    gpu.download(pointer, back)
    gpu.wait()
    np.testing.assert_array_equal(back, given)
    assert len(paper.driver.held) == 3
    gpu.close()
    gpu.close()
    assert not paper.driver.held


@pytest.mark.usefixtures("real_gpu")
def test_a_real_gpu_copies_captures_and_launches() -> None:
    gpu = Gpu(find_device("gpu"), "gpu")
    given, back = gpu.pinned((3, 5), np.float32), gpu.pinned((3, 5), np.float32)
    pointer = gpu.allocate(given.nbytes)

    def copy() -> None:
        gpu.upload(given, pointer)
        gpu.download(pointer, back)

    given[:], back[:] = np.arange(15).reshape(3, 5), -1
    graph = gpu.capture(copy)
    gpu.wait()
    assert (back == -1).all()
    for value in (3, 4):
        given[:] = value
        gpu.launch(graph)
        gpu.wait()
        np.testing.assert_array_equal(back, given)
    gpu.forget(graph)
    gpu.close()


def test_an_empty_array_has_memory_of_its_own(paper: Any, gpu: Gpu) -> None:
    assert gpu.pinned((0, 4), np.int64).shape == (0, 4)
    assert gpu.allocate(0) in paper.driver.held
    gpu.close()


def test_captured_work_runs_only_when_it_is_launched(paper: Any, gpu: Gpu) -> None:
    done: list[str] = []
    graph = gpu.capture(lambda: paper.driver.recording.append(lambda: done.append("work")))
    assert done == []
    gpu.launch(graph)
    gpu.launch(graph)
    assert done == ["work", "work"]
    gpu.forget(graph)
    assert not paper.driver.graphs


def test_work_that_fails_leaves_no_capture_open(paper: Any, gpu: Gpu) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gpu.capture(fail)
    assert paper.driver.recording is None
    paper.driver.capturable = False
    with pytest.raises(DeviceError, match=r"^the NVIDIA driver answered stream capture unsupported$"):
        gpu.capture(lambda: None)
