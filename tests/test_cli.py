"""The command line as a person meets it: help, results, one-line errors and exit codes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import litho
from litho.cli import app

COMMANDS = sorted(
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
)


def litho_command(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "litho", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200"},
    )


def error_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refused command."""
    assert done.returncode in (1, 2), done
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("litho: error: ")]
    assert "Traceback" not in done.stderr
    return line


@pytest.mark.parametrize("command", [*COMMANDS, "server install"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = litho_command(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: litho {command}" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_what_it_is_for(command: str) -> None:
    lines = [
        line for line in litho_command(command, "--help").stdout.splitlines() if re.search(r"│ \*? *-", line)
    ]
    for line in lines:
        assert re.search(r"<[^>]+>\s+[A-Z0-9]\S*", line), line


def test_the_version_is_the_package_s() -> None:
    assert litho_command("--version").stdout == f"litho {litho.__version__}\n"


def test_help_needs_no_heavy_import() -> None:
    program = "import sys, litho.cli; sys.exit(bool({'numpy', 'pydantic', 'rich'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        ("veify x", 2, "No such command 'veify'. Did you mean 'verify'"),
        ("train cgan-digit", 2, "unknown preset 'cgan-digit'; did you mean 'cgan-digits'"),
        ("train cgan-digits --set lerning_rate=1", 2, "unknown recipe key 'lerning_rate'"),
        ("train cgan-digits --set lr", 2, "--set was given 'lr'; it takes NAME=VALUE"),
        ("export absent", 1, "no snapshot at absent"),
        ("export absent --without foldng", 2, "unknown pass 'foldng'; did you mean 'folding'"),
        ("export absent --precision fp31", 2, "unknown precision 'fp31'; did you mean 'fp32'"),
        ("export absent --aim speed", 2, "'speed' is not one of 'latency', 'throughput', 'size'"),
        ("export absent --fix label", 2, "--fix was given 'label'; it takes NAME=VALUE"),
        ("export absent --fix label=three", 2, "--fix was given label=three; it takes a whole number"),
        ("export absent_net:build", 2, "'absent_net:build' is no run"),
        ("export absent_net:build --signature absent.yaml", 2, "signature absent.yaml cannot be read"),
        ("export absent --weights w.safetensors", 2, "--weights goes with --signature"),
        ("inspect absent", 1, "no bundle at absent"),
        ("verify absent", 1, "no bundle at absent"),
        ("deploy absent", 1, "no bundle at absent"),
        ("build-engine absent", 1, "no bundle at absent"),
        ("build-engine absent --profile 1,8", 2, "--profile was given '1,8'"),
        ("generate absent --seed 1 -o x.png", 2, "'absent' is no bundle, no run and no endpoint"),
        ("generate http://127.0.0.1:1/x --seed 1 -o x.png", 2, "give grpc://HOST:PORT/MODEL"),
        ("generate grpc://127.0.0.1:9/x --seed 1 -o x.png", 1, "127.0.0.1:9"),
        ("bench absent --batch 1,-8", 2, "--batch was given '1,-8'"),
        ("rollback absent digits", 1, "absent"),
        ("serve absent", 1, "absent"),
    ],
)
def test_wrong_commands_are_answered_in_one_line(
    words: str, code: int, complaint: str, tmp_path: Path
) -> None:
    done = litho_command(*words.split(), cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == code
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--label", "10", "'label' was given value 10; allowed is INT64 of shape (batch), 0 to 9"),
        ("--seed", "-1", "'seed' was given value -1"),
        ("--seed", "nine", "'seed' was given 'nine'"),
        ("--field", "lable=1", "unknown field 'lable' (known: label, seed, truncation)"),
        ("--variant", "generator.fp16.onnx", "did you mean 'generator.fp32.onnx'"),
        ("--device", "tpu", "device 'tpu' is unknown"),
        ("-o", "out.gif", "'.gif'"),
    ],
)
def test_wrong_inputs_say_what_is_allowed(
    bundle: Path, tmp_path: Path, option: str, value: str, complaint: str
) -> None:
    words = {"--seed": "7", "--label": "3", "-o": "out.png", option: value}
    done = litho_command("generate", bundle, *[word for pair in words.items() for word in pair], cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_export_inspect_verify_and_generate_work_from_the_shell(run: Path, tmp_path: Path) -> None:
    done = litho_command("export", run, "--to", tmp_path / "bundle", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["verdict"]["status"] == "passed"
    assert "generator.fp32.onnx" in litho_command("inspect", tmp_path / "bundle").stdout
    verified = litho_command("verify", tmp_path / "bundle", "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)[0]["subject"] == "generator.fp32.onnx"
    made = litho_command(
        "generate", tmp_path / "bundle", "--seed", "7", "--label", "3", "-o", tmp_path / "7.png"
    )
    assert made.stdout.strip() == str(tmp_path / "7.png")


def test_the_help_of_export_lists_what_there_is() -> None:
    from litho.export.choice import AIMS
    from litho.export.precisions import PRECISIONS
    from litho.export.request import RUNTIMES

    text = litho_command("export", "--help").stdout
    for names in (RUNTIMES, PRECISIONS):
        assert f": {', '.join(names)}." in text
    assert "|".join(AIMS) in text


def test_export_and_inspect_print_one_table_and_the_command_that_deploys_the_best(
    run: Path, tmp_path: Path
) -> None:
    words = ("--precision", "fp32,bf16", "--aim", "size", "--without", "folding")
    done = litho_command("export", run, "--to", tmp_path / "bundle", *words)
    assert done.returncode == 0, done.stderr  # what this machine cannot run is no failure
    *table, path = done.stdout.splitlines()
    assert path == str(tmp_path / "bundle")
    assert table[0].split()[:3] == ["variant", "verdict", "size"]
    assert "recommended" in next(line for line in table if line.startswith("generator.fp32.onnx"))
    assert any(line.startswith("generator.bf16.onnx was not run: ONNX Runtime") for line in table)
    assert table[-1] == f"litho deploy {tmp_path / 'bundle'} --variant generator.fp32.onnx"
    assert "Recommended for size: generator.fp32.onnx" in table[-2]
    assert "\n".join(table) in litho_command("inspect", tmp_path / "bundle").stdout


def test_two_exports_without_timing_are_the_same_bytes(run: Path, tmp_path: Path) -> None:
    words = ("--precision", "fp32,int8", "--runtime", "onnxruntime,openvino", "--no-timing", "--json")
    manifests = []
    for folder in ("one", "two"):
        done = litho_command("export", run, "--to", tmp_path / folder / "tiny", *words)
        assert all(not variant["timings"] for variant in json.loads(done.stdout)), done.stderr
        manifests.append((tmp_path / folder / "tiny" / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]


def test_a_fixed_label_is_part_of_the_bundle_s_name(run: Path, tmp_path: Path) -> None:
    done = litho_command("export", run, "--fix", "label=3", "--no-timing", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"bundles/{run.name}-label-3", done.stderr
    shown = litho_command("inspect", tmp_path / "bundles" / f"{run.name}-label-3").stdout
    assert not any(line.startswith("label") for line in shown.splitlines())


def test_a_prompt_steps_and_guidance_have_options_of_their_own(flow_bundle: Path, tmp_path: Path) -> None:
    words = ("--prompt", "a large red circle, above", "--seed", "0-1", "--steps", "1,64", "--guidance", "3")
    made = litho_command("generate", flow_bundle, *words, "-o", tmp_path)
    assert made.returncode == 0, made.stderr
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"seed-{seed}_prompt-a_large_red_circle_above_steps-{steps}_guidance-3.0.png"
        for seed, steps in ((0, 1), (1, 64))
    ]
    refused = litho_command("generate", flow_bundle, "--seed", "1", "-o", tmp_path / "one.png")
    assert "'prompt' is missing" in error_of(refused)
    assert "runs in turn: text_encoder, denoiser, decoder" in litho_command("inspect", flow_bundle).stdout


def test_one_changed_byte_fails_verification_and_the_file_is_named(run: Path, tmp_path: Path) -> None:
    assert litho_command("export", run, "--to", tmp_path / "bundle").returncode == 0
    graph = tmp_path / "bundle" / "graphs" / "generator.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[1000] ^= 1
    graph.write_bytes(content)
    done = litho_command("verify", tmp_path / "bundle")
    assert done.returncode == 1
    assert "generator.fp32.onnx has changed" in error_of(done)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "litho", "export", str(run), "--to", str(tmp_path / "bundle")],
        stderr=subprocess.PIPE,
        text=True,
    )
    lock = tmp_path / ".bundle.lock"
    while process.poll() is None and not lock.exists():
        os.sched_yield()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "litho: error: interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == [lock]


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in litho_command("--debug", "inspect", "absent").stderr
