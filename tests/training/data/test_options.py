import pytest

from litho.errors import UsageError
from litho.training.data.options import Options
from litho.training.data.sources import load


@pytest.mark.parametrize("options", [{"resolution": 0}, {"resolution": 5000}, {"channels": 5}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=r"(is|are) not allowed"):
        Options(**options)


def test_options_that_are_not_allowed_are_refused() -> None:
    with pytest.raises(UsageError, match="resolution 0 is not allowed"):
        load("digits", resolution=0)
