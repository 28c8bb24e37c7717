"""Which format reads a file."""

import pytest

from litho.errors import DataError
from litho.training.data.stream.formats.base import format_of, formats


def test_the_ending_chooses_the_format() -> None:
    assert set(formats()) == {".tar", ".parquet"}
    assert format_of("a/b.tar").suffix == ".tar"
    with pytest.raises(
        DataError, match=r"^a\.tar\.gz is no shard; allowed are files that end in \.parquet, \.tar$"
    ):
        format_of("a.tar.gz")
