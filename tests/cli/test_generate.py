"""Pictures from the shell: every input has its option, and a wrong one is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litho.serving.clients.client import Client
from litho.serving.server.embedded import EmbeddedServer

from .conftest import Command, Complaint


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
        ("--device", "tpu", "has no device 'tpu'"),
        ("-o", "out.gif", "'.gif'"),
        (
            "--truncation",
            "1",
            "unknown option '--truncation'; another input is given as --field truncation=VALUE",
        ),
        (
            "--count",
            "10",
            "with --count, 'out.png' was given to write to; give --output FILE.png, or --count",
        ),
    ],
)
def test_wrong_inputs_say_what_is_allowed(
    litho_here: Command,
    error_of: Complaint,
    bundle: Path,
    tmp_path: Path,
    option: str,
    value: str,
    complaint: str,
) -> None:
    words = {"--seed": "7", "--label": "3", "-o": "out.png", option: value}
    done = litho_here("generate", bundle, *[word for pair in words.items() for word in pair], cwd=tmp_path)
    assert complaint in error_of(done)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_file_is_named_with_the_file_that_was_asked_for(
    litho_here: Command, error_of: Complaint, bundle: Path
) -> None:
    done = litho_here("generate", bundle, "--seed", "7", "--label", "3", "-o", "/proc/out.png")
    assert error_of(done) == "litho: error: No such file or directory: /proc/out.png"


def test_a_prompt_steps_and_guidance_have_options_of_their_own(
    litho_here: Command, error_of: Complaint, flow_bundle: Path, tmp_path: Path
) -> None:
    words = ("--prompt", "a large red circle, above", "--seed", "0-1", "--steps", "1,64", "--guidance", "3")
    made = litho_here("generate", flow_bundle, *words, "-o", tmp_path)
    assert made.returncode == 0, made.stderr
    stages = "text_encoder.fp32.onnx,denoiser.fp32.onnx,decoder.fp32.onnx"
    assert made.stderr.strip() == f"made by {stages} in fp32, which promises the same picture"
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"seed-{seed}_prompt-a_large_red_circle_above_steps-{steps}_guidance-3.0.png"
        for seed, steps in ((0, 1), (1, 64))
    ]
    refused = litho_here("generate", flow_bundle, "--seed", "1", "-o", tmp_path / "one.png")
    assert "'prompt' is missing" in error_of(refused)
    assert "runs in turn: text_encoder, denoiser, decoder" in litho_here("inspect", flow_bundle).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--label 3",
            f"field 'seed' is missing; it takes INT64 of shape (batch), 0 to {2**63 - 1}; give --seed",
        ),
        ("--seed 3", "field 'label' is missing; it takes INT64 of shape (batch), 0 to 9; give --label"),
        ("--count 5", "field 'label' is missing; it takes INT64 of shape (batch), 0 to 9; give --label"),
    ],
)
def test_an_input_that_was_not_given_is_named_with_its_option(
    litho_here: Command, error_of: Complaint, bundle: Path, tmp_path: Path, words: str, said: str
) -> None:
    refused = litho_here("generate", bundle, *words.split(), "-o", tmp_path / "out")
    assert (refused.returncode, error_of(refused)) == (2, f"litho: error: {said}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_generate_writes_what_the_server_answers(
    litho_here: Command, server: EmbeddedServer, tmp_path: Path
) -> None:
    picture = tmp_path / "seven.png"
    answer = litho_here(
        "generate", f"{server.grpc_url}/tiny", "--seed", "7", "--label", "3", "-o", str(picture)
    )
    assert answer.returncode == 0, answer.stderr
    with Client(server.grpc_url, "tiny") as client:
        expected = client.generate(seed=7, label=3)[0, :, :, 0]
    np.testing.assert_array_equal(np.asarray(Image.open(picture)), expected)


@pytest.mark.slow
def test_a_server_that_is_not_there_ends_a_command_in_one_line(
    litho_here: Command, bundle: Path, tmp_path: Path
) -> None:
    commands = (
        ("verify", str(bundle), "--endpoint", "grpc://127.0.0.1:1/tiny"),
        ("generate", "grpc://127.0.0.1:1/tiny", "--seed", "7", "--label", "3", "-o", str(tmp_path / "x.png")),
    )
    for command in commands:
        answer = litho_here(*command)
        assert answer.returncode == 1
        assert "cannot reach grpc://127.0.0.1:1/tiny" in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x.png").exists()
