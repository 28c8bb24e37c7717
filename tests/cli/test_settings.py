"""Every setting of a deployment has an option, and what is wrong with it is said without writing anything."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from litho.cli.settings import OPTIONS, given_settings
from litho.errors import UsageError
from litho.serving.configuration.model_config import parse_config
from litho.serving.configuration.settings import ServingSettings

from .conftest import Command, Complaint


def test_every_setting_has_an_option() -> None:
    assert set(OPTIONS) == {field.name for field in fields(ServingSettings)}


def test_only_what_was_given_counts_and_lists_are_numbers() -> None:
    given = {"threads": 2, "gpus": "0, 1", "preferred_batch_sizes": None, "warm_up": False}
    assert given_settings(given) == {"threads": 2, "gpus": (0, 1), "warm_up": False}
    with pytest.raises(UsageError, match="--preferred-batch-sizes was given '8,x'; expected whole numbers"):
        given_settings({"preferred_batch_sizes": "8,x"})


def test_deploy_takes_settings_and_writes_them(litho_here: Command, bundle: Path, tmp_path: Path) -> None:
    options = ("--preferred-batch-sizes", "8,4", "--max-queue-size", "9", "--threads", "2", "--no-warm-up")
    done = litho_here("deploy", bundle, "--to", tmp_path, "--name", "tiny", *options)
    assert done.returncode == 0, done.stderr
    config = parse_config((tmp_path / "tiny" / "config.pbtxt").read_text())
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
    assert config.dynamic_batching.default_queue_policy.max_queue_size == 9
    assert config.parameters["litho_threads"].string_value == "2"
    assert not config.model_warmup


def test_check_lists_what_is_wrong_and_writes_nothing(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    deploy = ("deploy", bundle, "--to", tmp_path / "models", "--check")
    good = litho_here(*deploy)
    assert (good.returncode, good.stdout.strip()) == (0, "no rule is broken; nothing was written")
    options = ("--preferred-batch-sizes", "999", "--live-rows", "4")
    bad = litho_here(*deploy, *options)
    assert bad.returncode == 1
    assert "2 rules are broken; nothing was written" in error_of(bad)
    assert len(bad.stdout.splitlines()) == 2
    listed = json.loads(litho_here(*deploy, *options, "--json").stdout)
    assert {one["rule"] for one in listed} == {"settings"}
    assert not (tmp_path / "models").exists()


def test_settings_have_a_heading_of_their_own_in_the_help(litho_here: Command) -> None:
    shown = litho_here("deploy", "--help").stdout
    assert "Serving settings" in shown
    assert shown.index("--accept-failed") < shown.index("Serving settings") < shown.index("--threads")


def test_the_form_of_batching_can_be_left_to_litho(litho_here: Command, bundle: Path, tmp_path: Path) -> None:
    done = litho_here("deploy", bundle, "--to", tmp_path, "--name", "tiny", "--batching", "auto")
    assert done.returncode == 0, done.stderr
    assert "batching whole: " in done.stderr
    assert "is one graph without steps: its requests stay whole" in done.stderr
    config = parse_config((tmp_path / "tiny" / "config.pbtxt").read_text())
    assert config.parameters["litho_batching"].string_value == "whole"


def test_deploy_takes_a_file_of_settings_and_options_win_over_it(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"schema_version": 1, "settings": {"threads": 2, "preferred_batch_sizes": [4, 8]}}')
    deploy = ("deploy", bundle, "--to", tmp_path / "models", "--name", "tiny", "--settings")
    done = litho_here(*deploy, path, "--threads", "3")
    assert done.returncode == 0, done.stderr
    config = parse_config((tmp_path / "models" / "tiny" / "config.pbtxt").read_text())
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]
    assert config.parameters["litho_threads"].string_value == "3"
    path.write_text('{"schema_version": 1, "settings": {"thread": 2}}')
    refused = litho_here(*deploy, path)
    assert refused.returncode == 2
    assert "did you mean 'threads'" in error_of(refused)


def test_a_number_that_is_too_small_is_refused_with_its_option(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path
) -> None:
    refused = litho_here("deploy", bundle, "--to", tmp_path, "--threads", "0")
    assert refused.returncode == 2
    assert "invalid --threads '0'; expected a whole number from 1" in error_of(refused)
