import numpy as np


def test_pictures_of_another_shape_or_dtype_are_failures(samples, collected) -> None:
    answers = collected()
    height, width, channels = samples.shape
    answers.pictures([1, 2], np.zeros((1, height, width, channels), np.uint8))
    answers.pictures([3], np.zeros((1, height, width + 1, channels), np.uint8))
    answers.pictures([4], np.zeros((1, height, width, channels), np.float32))  # pyright: ignore[reportArgumentType]
    assert sum(answers.failed.values()) == 4
    assert answers.taken == {1: b"", 2: b"", 3: b"", 4: b""}
