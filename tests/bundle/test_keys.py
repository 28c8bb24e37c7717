"""Keys as openssl makes them, and every file that is not one: each refused in one line."""

import hashlib
from pathlib import Path

import pytest

from litho.bundle.keys import PrivateKey, PublicKey, is_encrypted
from litho.errors import UsageError

from ..signers import make_keys, openssl

KINDS = {
    "RSA": ("-algorithm", "rsa"),
    "EC": ("-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "Ed448": ("-algorithm", "ed448"),
}


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    return make_keys(tmp_path)


def test_the_pair_of_openssl_is_read(keys: tuple[Path, Path]) -> None:
    private, public = keys
    pair, key = PrivateKey.read(private), PublicKey.read(public)
    assert pair.public == key
    assert key.to_pem() == public.read_bytes()
    assert PublicKey.from_text(key.text) == key
    assert key.signed(b"content", pair.sign(b"content"))
    assert not key.signed(b"contenu", pair.sign(b"content"))


def test_the_fingerprint_is_the_hash_of_what_openssl_writes_as_der(keys: tuple[Path, Path]) -> None:
    der = openssl("pkey", "-pubin", "-in", keys[1], "-outform", "DER")
    assert PublicKey.read(keys[1]).fingerprint == hashlib.sha256(der).hexdigest()


def refusal(read: object, *arguments: object) -> str:
    with pytest.raises(UsageError) as refused:
        read(*arguments)  # type: ignore[operator]
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_key_is_named(kind: str, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, *KINDS[kind])
    assert f"of kind {kind}; bundles are signed with Ed25519" in refusal(PrivateKey.read, private)
    assert f"of kind {kind}; bundles are signed with Ed25519" in refusal(PublicKey.read, public)


def test_the_wrong_half_of_a_pair_is_named(keys: tuple[Path, Path]) -> None:
    private, public = keys
    assert "holds a public key, which only checks" in refusal(PrivateKey.read, public)
    assert "holds a private key, which only the signer has" in refusal(PublicKey.read, private)


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"\x00\xff" * 99, b"-----BEGIN CERTIFICATE-----\nAAAA\n"]
)
def test_what_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_bytes(content)
    file.chmod(0o600)
    assert "holds no private key" in refusal(PrivateKey.read, file)
    assert "holds no public key" in refusal(PublicKey.read, file)


def test_a_missing_file_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    assert "openssl genpkey -algorithm ed25519" in refusal(PrivateKey.read, tmp_path / "none.pem")
    assert "openssl pkey" in refusal(PublicKey.read, tmp_path)  # a folder is no file either


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_private_key_that_others_may_read_is_refused(mode: int, keys: tuple[Path, Path]) -> None:
    keys[0].chmod(mode)
    assert f"(mode {mode:03o}); run: chmod 600" in refusal(PrivateKey.read, keys[0])


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    private, public = make_keys(tmp_path, "-algorithm", "ed25519", "-aes256", "-pass", "pass:horse")
    assert is_encrypted(private)
    assert PrivateKey.read(private, "horse").public == PublicKey.read(public)
    assert "set LITHO_KEY_PASSWORD" in refusal(PrivateKey.read, private)
    assert "the password does not open" in refusal(PrivateKey.read, private, "cow")
    assert "the password does not open" in refusal(PrivateKey.read, private, "")


def test_a_password_that_is_not_needed_does_no_harm(keys: tuple[Path, Path]) -> None:
    assert not is_encrypted(keys[0])
    assert PrivateKey.read(keys[0], "horse").public == PublicKey.read(keys[1])


@pytest.mark.parametrize("text", ["", "ab", "zz" * 32, "ab" * 33])
def test_a_key_in_a_configuration_is_64_digits(text: str) -> None:
    assert "expected 64 hexadecimal digits" in refusal(PublicKey.from_text, text, "litho_public_key")
