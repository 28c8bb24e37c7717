import pytest

from litho.benchmarks.served_throughput.load import check_ended
from litho.errors import LithoError


def test_a_generator_that_fails_is_quoted_by_its_error_and_not_by_its_help() -> None:
    with pytest.raises(LithoError, match=r"^run failed: Error: no such model$"):
        check_ended("/tools/run", 1, "Usage:\nError: no such model\n the help ends here\n")
    check_ended("run", 0, "")
