"""Servers: what each declares, how requests look, and what is refused."""

import os
import sys
from pathlib import Path

import pytest

from litho.benchmarks.peers.served.base import (
    Setting,
    Work,
    check_signature,
    environment,
    free_port,
    install,
    launched,
    served_peers,
)
from litho.bundle import Bundle
from litho.errors import ServerStartError, UsageError
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field, source_field


def test_litho_is_first_and_each_server_tries_several_settings() -> None:
    peers = served_peers()
    assert list(peers) == ["litho", "pytriton", "litserve"]
    for peer in peers.values():
        words = [setting.words for setting in peer.settings()]
        assert len(words) == len(set(words)) >= 2
        assert {setting.instances for setting in peer.settings()} == {1, 2}


def test_instances_share_the_cores() -> None:
    cores = len(os.sched_getaffinity(0))
    assert Setting("", 1, {}).threads == cores
    assert Setting("", 10 * cores, {}).threads == 1


def test_an_input_that_is_more_than_a_number_is_refused() -> None:
    check_signature(Signature(inputs=(seed_field(),), output=image_output(4, 4, 1)))
    with pytest.raises(UsageError, match="input 'source' is more than a number"):
        check_signature(Signature(inputs=(source_field(4, 4, 1),), output=image_output(4, 4, 1)))


def test_a_program_that_ends_is_an_error_with_its_last_words(bundle: Path, tmp_path: Path) -> None:
    work = Work(Bundle.load(bundle), "generator.fp32.onnx", tmp_path)
    plan = {"port": free_port()}
    with (
        pytest.raises(
            ServerStartError, match=r"litserve_server.py did not serve: KeyError: 'max_batch_size'"
        ),
        launched("litserve_server.py", plan, work, Path(sys.executable)),
    ):
        pass


def test_an_environment_that_is_there_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITHO_PYTRITON_HOME", str(tmp_path))
    assert served_peers()["pytriton"].lacks().endswith("python -m litho.benchmarks.peers --install")
    (tmp_path / "installed").touch()
    assert install() == environment() == tmp_path
