import pytest

from litho.errors import ExportError

from ..conftest import lowered


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_nothing_to_calibrate_with_is_refused(name: str, graph: bytes) -> None:
    with pytest.raises(ExportError, match="no data for calibration; name some with --calibration"):
        lowered(name, graph, [])
