"""The handwritten digits."""

import pytest

from litho.training.data import sources as data
from litho.training.data.dataset import Dataset


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """All of them, 32x32 pixels."""
    return data.load("digits")
