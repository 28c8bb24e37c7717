from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image
from safetensors.numpy import save_file

from litho.errors import InvalidInput, UsageError
from litho.serving.generation.generate import generate, parse_inputs
from litho.serving.server.embedded import EmbeddedServer
from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    latent_field,
    mask_field,
    seed_field,
    source_field,
)
from litho.signature.noise import MAX_SEED

from ..conftest import assert_same_pictures

CLOTHES = Signature(
    inputs=(seed_field(), label_field(("Shirt", "Coat", "Bag"))), output=image_output(8, 8, 1)
)

SCENES = Signature(
    inputs=(Field(name="prompt", role=Role.PROMPT, dtype="BYTES"), seed_field()), output=image_output(8, 8, 3)
)
HOLES = Signature(
    inputs=(seed_field(), source_field(8, 8, 3), mask_field(8, 8)), output=image_output(8, 8, 3)
)


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image)


CONDITIONS = Signature(
    inputs=(
        latent_field(4),
        condition_field("pose", (2, 3)),
        condition_field("step", (), "INT64", (0, 9), 5),
        condition_field("depth", (1, 8, 8), "UINT8"),
        condition_field("level", (), "UINT8"),
    ),
    output=image_output(8, 8, 4),
)


@given(st.integers(0, MAX_SEED), st.integers(0, 99))
def test_ranges_lists_and_names_become_values(first: int, more: int) -> None:
    last = min(first + more, MAX_SEED)
    inputs = parse_inputs(CLOTHES, {"seed": f"{first}-{last}", "label": "Coat"})
    assert inputs["seed"].tolist() == list(range(first, last + 1))
    assert inputs["label"].tolist() == [1] * (last - first + 1)


def test_several_values_are_paired_in_order() -> None:
    inputs = parse_inputs(CLOTHES, {"seed": "7, 9", "label": "Bag,0"})
    assert inputs["seed"].tolist() == [7, 9]
    assert inputs["label"].tolist() == [2, 0]


def test_a_prompt_is_taken_as_it_is_and_serves_every_picture() -> None:
    inputs = parse_inputs(SCENES, {"prompt": " red, 1-9 blue ", "seed": "1,2"})
    assert inputs["prompt"].tolist() == [" red, 1-9 blue "] * 2


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"seed": "-1"}, "seed '-1' is invalid; allowed are whole numbers from 0 to 9223372036854775807"),
        ({"seed": "seven"}, "seed 'seven' is invalid; allowed are whole numbers from 0 to"),
        ({"seed": str(2**63)}, "seed '9223372036854775808' is invalid"),
        ({"seed": "9-2"}, "must ascend"),
        ({"seed": "0-99999999"}, "at most 10000 values"),
        ({"label": "Hat"}, r"label 'Hat' is invalid; allowed are 0 to 2 \(Shirt, Coat, Bag\)$"),
        ({"label": "Coats"}, r"allowed are 0 to 2 \(Shirt, Coat, Bag\); did you mean 'Coat'\?"),
        ({"label": "1-3"}, "label '3' is invalid"),
        ({"seed": "1,2,3", "label": "0,1"}, "3 for 'seed', 2 for 'label'"),
        ({"sede": "1"}, r"unknown field 'sede' \(known: label, seed\)"),
    ],
)
def test_text_that_is_no_value_is_refused_in_one_line(values: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as refused:
        parse_inputs(CLOTHES, values)
    assert "\n" not in str(refused.value)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two pictures, 12x18 and half clear, with something beside them that is no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in {"b.png": (0, 0, 200), "a.png": (200, 0, 0)}.items():
        image = Image.new("RGBA", (18, 12), (*colour, 255))
        image.paste((0, 0, 0, 0), (0, 0, 9, 12))
        image.save(folder / name)
    (folder / "notes.txt").write_text("none")
    return folder


def test_values_of_any_shape_come_from_files_of_arrays(tmp_path: Path) -> None:
    example = CONDITIONS.example(3)
    np.save(tmp_path / "latent.npy", example["latent"].astype(np.float64))
    np.save(tmp_path / "pose.npy", example["pose"][0])
    save_file({"depth": example["depth"], "step": example["step"]}, tmp_path / "rest.safetensors")
    rest = str(tmp_path / "rest.safetensors")
    given = {
        "latent": str(tmp_path / "latent.npy"),
        "pose": str(tmp_path / "pose.npy"),
        "step": rest,
        "depth": rest,
        "level": "7",
    }
    inputs = CONDITIONS.check(parse_inputs(CONDITIONS, given))
    for name in ("latent", "step", "depth"):
        assert np.array_equal(inputs[name], example[name])
    assert np.array_equal(inputs["pose"], example["pose"][[0, 0, 0]])
    assert inputs["level"].tolist() == [7, 7, 7]
    by_text = {name: values for name, values in given.items() if name != "step"} | {"level": "0-2"}
    inputs = CONDITIONS.check(parse_inputs(CONDITIONS, by_text))
    assert inputs["step"].tolist() == [5, 5, 5]
    assert inputs["level"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("pose", "1,2,3", "which cannot be text; give a file: pose=NAME.npy"),
        ("pose", "none.npy", "none.npy cannot be read: No such file"),
        ("pose", "flat.npy", "was given shape (6,); allowed is FP32 of shape (batch, 2, 3)"),
        ("pose", "nan.npy", "was given a value that is NaN"),
        ("pose", "objects.npy", "it holds Python objects"),
        ("step", "flat.npy", "was given dtype float32; allowed is INT64"),
        ("step", "ten.npy", "was given value 10; allowed is INT64"),
        ("depth", "words.safetensors", "has no array 'depth' (it has: one, two)"),
        ("level", "256", "level '256' is invalid; allowed are whole numbers"),
        ("level", "0.5", "level '0.5' is invalid; allowed are whole numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.zeros(6))
    np.save("nan.npy", np.full((2, 3), np.nan))
    np.save("ten.npy", np.array([10]))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    save_file({"one": np.zeros(1), "two": np.zeros(1)}, "words.safetensors")
    with pytest.raises(InvalidInput) as refused:
        parse_inputs(CONDITIONS, {name: text})
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_images_are_brought_to_the_field_s_size_and_a_mask_to_black_and_white(photos: Path) -> None:
    inputs = parse_inputs(HOLES, {"source": str(photos), "mask": str(photos / "a.png"), "seed": "7"})
    assert inputs["seed"].tolist() == [7, 7]
    HOLES.check(inputs)
    # 12x18 is cut to 12x12 around its middle: half of that is clear, and so white.
    np.testing.assert_array_equal(inputs["source"][:, 4, 0], [[255, 255, 255]] * 2)
    np.testing.assert_array_equal(inputs["source"][:, 4, 7], [[200, 0, 0], [0, 0, 200]])
    assert set(np.unique(inputs["mask"])) == {0, 255}
    assert (inputs["mask"][:, :, :4] == 255).all()
    assert (inputs["mask"][:, :, 4:] == 0).all()


def test_where_the_size_is_free_the_first_image_says_what_it_is(photos: Path) -> None:
    free = HOLES.with_free_size(4, 16, 4)
    inputs = parse_inputs(free, {"source": str(photos), "mask": str(photos / "b.png"), "seed": "7"})
    # 12x18 is nearest to 12x16, but 16 is all that there may be: it becomes smaller as a whole, then 8x16.
    assert inputs["source"].shape == (2, 8, 16, 3)
    assert inputs["mask"].shape == (2, 8, 16, 1)
    small = parse_inputs(HOLES.with_free_size(4, 64, 2), {"source": str(photos / "a.png")})
    assert small["source"].shape == (1, 12, 18, 3)
    with Image.open(photos / "a.png") as image:
        paper = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    np.testing.assert_array_equal(small["source"][0], np.asarray(paper))


def test_one_image_serves_every_seed(photos: Path) -> None:
    inputs = parse_inputs(
        HOLES, {"source": str(photos / "a.png"), "mask": str(photos / "a.png"), "seed": "0-4"}
    )
    assert len(inputs["source"]) == len(inputs["mask"]) == 5
    assert (inputs["source"] == inputs["source"][0]).all()


def test_images_that_cannot_be_read_are_refused_in_one_line(photos: Path, tmp_path: Path) -> None:
    for value, complaint in [
        ("absent.png", "No such file"),
        (photos / "notes.txt", "damaged or no image"),
        (tmp_path / "empty", "with 0 images; allowed are 1 to 10000"),
    ]:
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InvalidInput, match=f"field 'source'.*{complaint}") as refused:
            parse_inputs(HOLES, {"source": str(value)})
        assert "\n" not in str(refused.value)


def test_one_picture_a_grid_and_a_folder(bundle: Path, tmp_path: Path) -> None:
    assert generate(bundle, {"seed": "7", "label": "3"}, tmp_path / "one.png") == [tmp_path / "one.png"]
    one = pixels(tmp_path / "one.png")
    files = generate(bundle, {"seed": "7-9", "label": "3"}, tmp_path / "folder")
    assert [file.name for file in files] == ["seed-7_label-3.png", "seed-8_label-3.png", "seed-9_label-3.png"]
    np.testing.assert_array_equal(pixels(files[0]), one)
    (grid,) = generate(bundle, {"seed": "0-99", "label": "3"}, tmp_path / "grid.png")
    assert pixels(grid).shape[1] >= 10 * one.shape[1]


def test_pictures_of_the_same_values_get_files_of_their_own(bundle: Path, tmp_path: Path) -> None:
    files = generate(bundle, {"seed": "7,8,7", "label": "3"}, tmp_path)
    assert [file.name for file in files] == [
        "seed-7_label-3_0.png",
        "seed-8_label-3.png",
        "seed-7_label-3_2.png",
    ]


def test_an_output_that_is_no_png_is_refused_before_anything_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ending '\.jpg'; give a \.png"):
        generate("absent", {"seed": "1"}, tmp_path / "one.jpg")


@pytest.mark.slow
def test_litho_generate_asks_bundle_and_server_alike(
    flow_bundle: Path, flow_server: EmbeddedServer, tmp_path: Path
) -> None:
    values = {"seed": "0-2", "prompt": "a red circle, a blue square", "steps": "1,2,64", "guidance": "3"}
    local, served = (
        generate(target, values, tmp_path / name)
        for name, target in (("local", flow_bundle), ("served", f"{flow_server.grpc_url}/flow"))
    )
    assert [file.name for file in local] == [file.name for file in served]
    assert len({file.read_bytes() for file in local}) == 3
    for ours, theirs in zip(local, served, strict=True):
        with Image.open(ours) as one, Image.open(theirs) as other:
            assert_same_pictures(np.asarray(other), np.asarray(one))
