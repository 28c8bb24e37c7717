from pathlib import Path

from .conftest import Command, Complaint


def test_only_object_storage_is_followed(litho_here: Command, error_of: Complaint, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.pbtxt").write_text("")
    refused = litho_here("serve", tmp_path, "--follow", "1")
    assert refused.returncode == 2
    assert "--follow is for a repository on object storage" in error_of(refused)
    assert "no model repository at" in error_of(litho_here("serve", tmp_path / "absent"))


def test_what_only_a_container_has_needs_one(
    litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.pbtxt").touch()
    for option, value in (("--image", "triton:25"), ("--memory", "512"), ("--tls", tmp_path)):
        refused = litho_here("serve", tmp_path, option, value)
        assert refused.returncode == 2
        assert f"{option} is for a container; give --container" in error_of(refused)


def test_a_port_that_cannot_be_is_refused_with_those_that_can(
    litho_here: Command, error_of: Complaint
) -> None:
    refused = litho_here("serve", "models", "--grpc-port", "99999")
    assert "invalid --grpc-port '99999'; expected a whole number from 1 to 65535" in error_of(refused)
    assert refused.returncode == 2
