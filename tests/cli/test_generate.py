"""Pictures from the shell: every input has its option, and a wrong one is refused in one line."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., subprocess.CompletedProcess[str]]
Complaint = Callable[[subprocess.CompletedProcess[str]], str]


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--label", "10", "label '10' is invalid; allowed are 0 to 9"),
        ("--label", "eleven", "label 'eleven' is invalid; allowed are 0 to 9"),
        ("--seed", "-1", "seed '-1' is invalid; allowed are whole numbers from 0 to 9223372036854775807"),
        ("--seed", "nine", "seed 'nine' is invalid"),
        ("--field", "truncation=2", "truncation '2' is invalid; allowed are numbers from 0 to 1"),
        ("--field", "lable=1", "unknown field 'lable' (known: label, seed, truncation)"),
        ("--variant", "generator.fp16.onnx", "did you mean 'generator.fp32.onnx'"),
        ("--device", "tpu", "device 'tpu' is unknown"),
        ("-o", "out.gif", "'.gif'"),
    ],
)
def test_wrong_inputs_say_what_is_allowed(
    litho_command: Command,
    error_of: Complaint,
    bundle: Path,
    tmp_path: Path,
    option: str,
    value: str,
    complaint: str,
) -> None:
    words = {"--seed": "7", "--label": "3", "-o": "out.png", option: value}
    done = litho_command("generate", bundle, *[word for pair in words.items() for word in pair], cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_prompt_steps_and_guidance_have_options_of_their_own(
    litho_command: Command, error_of: Complaint, flow_bundle: Path, tmp_path: Path
) -> None:
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
