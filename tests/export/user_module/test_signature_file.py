"""The signature file of a user's own module: what it may say, and what is answered to what it may not."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.errors import UsageError
from litho.export.user_module.signature_file import read_declaration
from litho.signature.fields import Role

from ...hostile import paths, replaced

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
POSE = {"role": "condition", "argument": "pose", "shape": [2, 3]}


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
    constants = {name: constant.value for name, constant in declaration.constants.items()}
    assert constants == {"timestep": 0, "return_dict": True}


def test_json_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    content = {"inputs": [SEED], "output": OUTPUT}
    (tmp_path / "signature.json").write_text(json.dumps(content))
    assert read_declaration(tmp_path / "signature.json") == read_declaration(content)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"inputs": [SEED]}, "output: this key is missing"),
        (
            {"inputs": [{**SEED, "shape": 4}], "output": OUTPUT},
            "inputs.0.shape: expected a list in square brackets (given: 4)",
        ),
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
        (
            {"inputs": [{"role": "seed", "shape": [0]}], "output": OUTPUT},
            "inputs.0.shape.0: expected at least 1",
        ),
        ({"inputs": [{**SEED, "name": "The Seed"}], "output": OUTPUT}, "inputs.0.name: String should match"),
        (
            {"inputs": [SEED, SEED], "output": OUTPUT},
            "only the first input may be a seed or a latent",
        ),
        (
            {"inputs": [{"role": "label", "class_names": [True]}], "output": OUTPUT},
            "inputs.0.class_names.0: expected text (given: True)",
        ),
        (
            {"inputs": [SEED], "output": {**OUTPUT, "channels": 5}},
            "output.channels: expected at most 4 (given: 5)",
        ),
        ({"inputs": [SEED], "output": {**OUTPUT, "range": [1, -1]}}, "output: range [1.0, -1.0] must ascend"),
        ({"inputs": [SEED], "output": {**OUTPUT, "range": [0, float("inf")]}}, "must ascend"),
        ({"inputs": [SEED], "output": {**OUTPUT, "range": [0, 1e-9]}}, "that FP32 cannot resolve"),
        (
            {"inputs": [SEED], "output": {**OUTPUT, "height": 1 << 16, "width": 1 << 16}},
            "values for one picture",
        ),
        (
            {"inputs": [SEED], "output": OUTPUT, "constants": {"t": {1}}},
            "constants: 't' is a set; allowed is",
        ),
        ({"inputs": [SEED], "output": OUTPUT, "constants": {"a b": 1}}, "constants.a b.[key]: String should"),
        ({"inputs": [SEED], "output": OUTPUT, "constants": {"t": 1, "t.a": 2}}, "'t' is one value, so 't.a'"),
        (
            {"inputs": [{**SEED, "argument": "t"}], "output": OUTPUT, "constants": {"t": 1}},
            "argument 't' is given twice",
        ),
        (
            {"inputs": [{"role": "seed", "noises": [[4], [0]]}], "output": OUTPUT},
            "inputs.0.noises.1.shape.0:",
        ),
        (
            {"inputs": [{"role": "seed", "noises": [{"shpe": [4]}]}], "output": OUTPUT},
            "did you mean 'shape'?",
        ),
        (
            {"inputs": [{"role": "seed", "noises": 4}], "output": OUTPUT},
            "inputs.0.noises: expected a list in square brackets",
        ),
        ({"inputs": [{"role": "seed", "shape": [1 << 16] * 3}], "output": OUTPUT}, "values for one picture"),
        (
            {"inputs": [SEED, {**POSE, "dtype": "FP16"}], "output": OUTPUT},
            "inputs.1.dtype: expected 'FP32', 'INT64' or 'UINT8' (given: 'FP16')",
        ),
        ({"inputs": [SEED, {**POSE, "dtype": "INT64"}], "output": OUTPUT}, "needs minimum and maximum"),
        (
            {"inputs": [SEED, {**POSE, "shape": [1] * 8}], "output": OUTPUT},
            "inputs.1.shape: Tuple should have",
        ),
        ({"inputs": [SEED, {**POSE, "minimum": 1, "maximum": 0}], "output": OUTPUT}, "is above its maximum"),
        ({"inputs": [SEED, {**POSE, "minimum": 0, "default": -1}], "output": OUTPUT}, "was given value -1.0"),
        ({"inputs": [SEED, {**POSE, "maximum": float("inf")}], "output": OUTPUT}, "are finite numbers"),
        ({"inputs": [SEED, {**POSE, "maximum": 1e300}], "output": OUTPUT}, "outside its range; FP32 holds"),
        (
            {"inputs": [SEED], "output": OUTPUT, "licence": "N" * 9999},
            "a text has 9999 characters, at most 1024",
        ),
        ({"inputs": [SEED], "output": OUTPUT, "licence": "\ud800"}, "the text '\\ud800' is not Unicode"),
        (
            {"inputs": [{"role": "seed", "shape": [10**5000]}], "output": OUTPUT},
            "a whole number has more than 64",
        ),
        ({"inputs": [{**SEED, "name": "N" * 999}], "output": OUTPUT}, "NNNNN...)"),
        (
            {"inputs": [SEED, {**POSE, "dtype": "UINT8", "maximum": 0.5}], "output": OUTPUT},
            "are whole numbers",
        ),
        ({"inputs": [SEED, {**POSE, "name": "noise"}], "output": OUTPUT}, "is what graphs call the noise"),
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
        ("signature.json", b"[" * 100_000, "is not JSON: it is nested too deeply"),
        ("signature.json", b'{"a": ' + b"[" * 90 + b"]" * 90 + b"}", "more than 64 levels deep"),
        ("signature.json", b'{"inputs": ' + b"9" * 5000 + b"}", "a whole number has 5000 digits"),
        ("signature.json", b'{"licence": "\\ud800"}', "a text that is not Unicode"),
        ("signature.yaml", b"[" * 100_000, "is not YAML: it is nested too deeply"),
        ("signature.yaml", b"a: " + b"[" * 90 + b"]" * 90, "more than 64 levels deep"),
        ("signature.yaml", b'a: "\\ud800"', "is not Unicode"),
        ("signature.yaml", b"inputs: " + b"9" * 5000, "a whole number has thousands of digits"),
        ("signature.yaml", b"a: &x [1]\nb: [*x, *x]", "'x' is an anchor or alias; write the values out"),
        ("signature.yaml", b"output: 1\noutput: 2", "key 'output' is there twice, line 2"),
        ("signature.yaml", b"licence: 2026-99-99", "is not YAML: month must be in 1..12"),
        ("signature.yaml", b"a: 1\n---\nb: 2", "is not YAML: expected a single document"),
        ("signature.yaml", b"#" * 600_000, "it has 600000 bytes, at most 524288 are allowed"),
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


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "signature.yaml")
    with pytest.raises(UsageError, match="cannot be read: it is not an ordinary file"):
        read_declaration(tmp_path / "signature.yaml")


def test_the_hash_of_a_file_covers_what_its_constants_hold(tmp_path: Path) -> None:
    content = {"inputs": [SEED], "output": OUTPUT, "constants": {"t": {"file": "t.npy"}}}
    (tmp_path / "signature.json").write_text(json.dumps(content))
    hashes = set()
    for value in (0, 1, 1.0):
        np.save(tmp_path / "t.npy", np.array([value]))
        hashes.add(read_declaration(tmp_path / "signature.json").sha256)
    assert len(hashes) == 3


HOSTILE: list[Any] = [
    *(10**5000, -(10**400), 2**63, 1e308, float("inf"), float("nan"), 0, -1, 0.5, 1j, None, True, b"bytes"),
    *("", "x" * 10_000, "../x", "\0", "\ud800", "a.b.c", "a..b", [], {}, [[[[]]]], [10**30] * 3, {"a": 1}),
    *({1: 2}, [None], {1, 2}, object(), {"file": "/etc/passwd"}, {"file": "../x.npy"}, [[1], [2, 3]]),
]

EVERYTHING: dict[str, Any] = {
    "inputs": [
        {"role": "seed", "noises": {"z": [4], "layers": [[1, 2], [3]]}},
        {"role": "label", "class_names": ["a", "b"], "argument": "y"},
        {"role": "image", **OUTPUT, "range": [0, 1], "argument": "start"},
        {"role": "mask", "height": 8, "width": 8},
        {"role": "truncation"},
        {**POSE, "argument": "more.pose", "dtype": "FP32", "minimum": 0, "maximum": 1, "default": 0.5},
    ],
    "output": {**OUTPUT, "range": [-1, 1], "select": "sample"},
    "sides": {"least": 8, "most": 16, "divisible_by": 2},
    "constants": {"a": 1, "b": [[1, 2]], "c": {"value": [1], "dtype": "FP32", "per_picture": True}},
    "method": "forward",
    "licence": "MIT",
}


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_surprises_its_reader(value: Any) -> None:
    for path in paths(EVERYTHING):
        try:
            declaration = read_declaration(replaced(EVERYTHING, path, value))
            assert len(declaration.sha256) == 64
            declaration.signature().example(2)
        except UsageError as refused:
            assert "\n" not in str(refused)  # noqa: PT017 - it need not be refused
            assert len(str(refused)) < 500  # noqa: PT017
