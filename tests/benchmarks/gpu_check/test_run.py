"""The check of every family on a GPU, as far as it can be tried without one."""

import pytest
from typer import Typer
from typer.testing import CliRunner

from litho.benchmarks.gpu_check.run import check_families, main
from litho.errors import UnknownName


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown family 'gam'"):
        check_families(("gam",), ("fp32",), "cpu")


def test_without_a_gpu_it_says_so_and_leaves(without_gpu: None) -> None:
    app = Typer()
    app.command()(main)
    result = CliRunner().invoke(app, ["gan"])
    assert result.exit_code == 2
    assert "to try the check itself without a GPU: --device cpu" in result.output
