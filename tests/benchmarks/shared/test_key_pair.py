"""Both files are halves of one key."""

from pathlib import Path

from litho.benchmarks.shared.key_pair import make_key_pair
from litho.bundle.keys import PrivateKey, PublicKey


def test_what_the_private_key_signs_the_public_one_accepts(tmp_path: Path) -> None:
    private, public = make_key_pair(tmp_path)
    signature = PrivateKey.read(private).sign(b"picture")
    assert PublicKey.read(public).signed(b"picture", signature)
