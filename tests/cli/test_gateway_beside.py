"""`litho serve --gateway`: both start, and both end in order."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from .conftest import Command, Complaint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.pbtxt").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--gateway-port", "1"), "--gateway-port was given without --gateway"),
        (("--gateway-settings", "x.json"), "--gateway-settings was given without --gateway"),
        (("--gateway", "--allow-remote"), "leave --allow-remote and the container out"),
        (("--gateway", "--compose"), "leave --allow-remote and the container out"),
        (
            ("--gateway", "--gateway-port", "70000"),
            "invalid --gateway-port '70000'; expected a whole number from 0 to 65535",
        ),
        (("--gateway", "--gateway-settings", "absent.json"), "absent.json is not a file of settings"),
    ],
)
def test_what_nothing_would_use_is_refused(
    litho_here: Command, error_of: Complaint, folder: Path, options: tuple[str, ...], said: str
) -> None:
    refused = litho_here("serve", folder, *options)
    assert refused.returncode == 2
    assert said in error_of(refused)


def test_a_gateway_that_others_reach_needs_keys_and_tls(
    litho_here: Command, error_of: Complaint, folder: Path
) -> None:
    (folder / "open.json").write_text('{"schema_version": 1, "settings": {"host": "0.0.0.0"}}')
    refused = litho_here("serve", folder, "--gateway", "--gateway-settings", folder / "open.json")
    assert "--keys and --tls-certificate are missing" in error_of(refused)


@pytest.mark.slow
def test_both_start_and_end(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "gateway.json").write_text('{"schema_version": 1, "settings": {"log_level": "warning"}}')
    command = [sys.executable, "-m", "litho", "serve", repository, "--json", "--canary-seconds", "0"]
    command += ["--gateway", "--gateway-port", "0", "--gateway-settings", tmp_path / "gateway.json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["gateway"]
        with urllib.request.urlopen(f"{url}/v1/models") as answer:
            assert [model["id"] for model in json.load(answer)["data"]] == ["tiny"]
        process.send_signal(signal.SIGTERM)
        events = [json.loads(line) for line in process.stdout]
        assert process.wait(120) == 0
    assert [event["event"] for event in events] == ["draining", "stopped"]
