"""Options of pools: refused where nothing would use them."""

import pytest

from litho.cli.pools import refuse_pool
from litho.errors import UsageError

from .conftest import Command, Complaint


def test_an_option_of_a_pool_alone_is_refused() -> None:
    refuse_pool("--count", ray=None, workers=None)
    with pytest.raises(UsageError, match="--workers was given without --count; give both, or neither"):
        refuse_pool("--count", ray=None, workers=2)


def test_few_pictures_need_no_cluster(litho_here: Command, error_of: Complaint) -> None:
    done = litho_here("generate", "absent", "-o", "x.png", "--ray", "auto")
    assert error_of(done) == "litho: error: --ray was given without --count; give both, or neither"
    assert done.returncode == 2
