"""Faults that are planted into uploads."""

from pathlib import Path

from litho.benchmarks.registries.kinds import folder_kind
from litho.benchmarks.registries.refusals import make_key, refusals
from litho.bundle.keys import PrivateKey, PublicKey

from ...bundle.conftest import make


def test_every_fault_is_refused_by_name_and_mended(tmp_path: Path) -> None:
    bundle = make(tmp_path / "bundle")
    with folder_kind(tmp_path) as kind:
        (tmp_path / "work").mkdir()
        found = list(refusals(kind, bundle, tmp_path / "work"))
    assert [one.fault for one in found if not one.good] == []
    assert len({one.fault for one in found}) == len(found) == 8


def test_a_key_is_a_pair(tmp_path: Path) -> None:
    private, public = make_key(tmp_path / "key.pem")
    assert PrivateKey.read(private).public == PublicKey.read(public)
