"""The signature file of a user's own module: what it may say, and what is answered to what it may not."""

import json
from pathlib import Path
from typing import Any

import pytest

from litho.errors import UsageError
from litho.export.user_module.signature_file import read_declaration
from litho.signature.fields import Role

FILE = """
inputs:
  - role: seed
    shape: [4, 8, 8]
  - role: label
    class_names: [no one, 1, two]
    argument: y
  - {role: image, name: start, height: 16, width: 24, channels: 3, range: [0, 1]}
  - {role: mask, height: 16, width: 24}
  - role: truncation
output: {height: 16, width: 24, channels: 3, select: sample}
constants: {timestep: 0, return_dict: true}
licence: Apache-2.0
"""
OUTPUT = {"height": 8, "width": 8, "channels": 3}
SEED = {"role": "seed", "shape": [4]}


def test_a_file_gives_the_fields_of_a_request(tmp_path: Path) -> None:
    (tmp_path / "signature.yaml").write_text(FILE)
    declaration = read_declaration(tmp_path / "signature.yaml")
    signature = declaration.signature()
    assert [(field.name, field.role) for field in signature.inputs] == [
        ("seed", Role.SEED),
        ("label", Role.LABEL),
        ("start", Role.IMAGE),
        ("mask", Role.MASK),
        ("truncation", Role.TRUNCATION),
    ]
    assert signature.inputs[1].class_names == ("no one", "1", "two")
    assert signature.inputs[2].shape == signature.output.shape == (16, 24, 3)
    assert declaration.noise is not None
    assert declaration.noise.size == 256
    assert declaration.constants == {"timestep": 0, "return_dict": True}


def test_json_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    content = {"inputs": [SEED], "output": OUTPUT}
    (tmp_path / "signature.json").write_text(json.dumps(content))
    assert read_declaration(tmp_path / "signature.json") == read_declaration(content)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"inputs": [SEED]}, "output: Field required"),
        ({"inputs": [], "output": OUTPUT}, "inputs: Tuple should have at least 1 item"),
        ({"inputs": [SEED], "output": OUTPUT, "licnce": "MIT"}, "'licnce'; did you mean 'licence'? (known: "),
        (
            {"inputs": [{**SEED, "shpe": 1}], "output": OUTPUT},
            "'inputs.0.shpe'; did you mean 'shape'? (known: arg",
        ),
        ({"inputs": [SEED], "output": {**OUTPUT, "dtype": 1}}, "unknown key 'output.dtype' (known: channels"),
        (
            {"inputs": [{"role": "prompt"}], "output": OUTPUT},
            "unknown role 'prompt' (known: seed, latent, label,",
        ),
        (
            {"inputs": [{"shape": [4]}], "output": OUTPUT},
            "inputs.0 has no role; give one, such as 'role: seed'",
        ),
        (
            {"inputs": [{"role": "seed"}], "output": OUTPUT},
            "inputs.0: give either shape, such as [512], or noises",
        ),
        ({"inputs": [{"role": "seed", "shape": [0]}], "output": OUTPUT}, "inputs.0.shape.0: Input should be"),
        ({"inputs": [{**SEED, "name": "The Seed"}], "output": OUTPUT}, "inputs.0.name: String should match"),
        (
            {"inputs": [SEED, SEED], "output": OUTPUT},
            "only the first input may be a seed or a latent",
        ),
        (
            {"inputs": [{"role": "label", "class_names": [True]}], "output": OUTPUT},
            "inputs.0.class_names.0: Input",
        ),
        ({"inputs": [SEED], "output": {**OUTPUT, "channels": 4}}, "output.channels: Input should be 1 or 3"),
        ({"inputs": [SEED], "output": {**OUTPUT, "range": [1, -1]}}, "output: range [1.0, -1.0] must ascend"),
        ({"inputs": [SEED], "output": {**OUTPUT, "range": [0, float("inf")]}}, "must ascend"),
        ({"inputs": [SEED], "output": OUTPUT, "constants": {"t": [1]}}, "constants.t"),
    ],
)
def test_what_is_not_allowed_is_said_in_one_line(content: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_declaration(content)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_fields_of_one_name_are_refused() -> None:
    source = {"role": "image", **OUTPUT}
    with pytest.raises(UsageError, match=r"field names .* are not all different; give a 'name' to some"):
        read_declaration({"inputs": [source, source], "output": OUTPUT}).signature()


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("signature.yaml", None, "cannot be read: No such file"),
        ("signature.toml", b"", "it takes a .yaml, .yml or .json file"),
        ("signature.yaml", b"inputs: [", "is not YAML"),
        ("signature.yaml", b"\xff\xfe\x00", "signature"),
        ("signature.yaml", b"", "holds a NoneType; it must be a mapping"),
        ("signature.yaml", b"!!python/object/apply:os.getcwd []", "is not YAML"),
        ("signature.json", b"{", "is not JSON"),
        ("signature.json", b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_declaration(tmp_path / name)
    assert complaint in str(refused.value)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)
