"""Options of pools: refused where nothing would use them."""

import pytest

from litho.cli.pools import refuse_without
from litho.errors import UsageError

from .conftest import Command, Complaint


def test_an_option_that_nothing_uses_is_refused() -> None:
    refuse_without("--count", ray=None, workers=None)
    with pytest.raises(UsageError, match="--workers was given without --count; give both, or neither"):
        refuse_without("--count", ray=None, workers=2)


def test_few_pictures_need_no_cluster(litho_here: Command, error_of: Complaint) -> None:
    for option, value in ("--ray", "auto"), ("--per-shard", "10"), ("--format", "parquet"):
        done = litho_here("generate", "absent", "-o", "x.png", option, value)
        assert error_of(done) == f"litho: error: {option} was given without --count; give both, or neither"
        assert done.returncode == 2
