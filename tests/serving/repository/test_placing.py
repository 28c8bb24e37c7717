from pathlib import Path

from litho.serving.repository.placing import expose, forget


def version(model: Path, number: int, *forms: str) -> None:
    (model / str(number) / "warmup").mkdir(parents=True)
    (model / str(number) / "warmup" / "seed").write_text(f"seed {number}")
    for name in forms:
        (model / str(number) / "configs").mkdir(exist_ok=True)
        (model / str(number) / "configs" / f"{name}.pbtxt").write_text(f"{name} {number}")


def files(model: Path) -> dict[str, str]:
    return {
        str(file.relative_to(model)): file.read_text()
        for folder in ("warmup", "configs")
        for file in (model / folder).rglob("*")
        if file.is_file()
    }


def test_inputs_of_every_version_stay_and_forms_are_those_of_the_served_one(tmp_path: Path) -> None:
    version(tmp_path, 1, "sm86", "sm90")
    version(tmp_path, 2, "sm86")
    version(tmp_path, 3)
    inputs = {"warmup/1/seed": "seed 1", "warmup/2/seed": "seed 2"}
    expose(tmp_path, 1)
    assert files(tmp_path) == {
        "warmup/1/seed": "seed 1",
        "configs/sm86.pbtxt": "sm86 1",
        "configs/sm90.pbtxt": "sm90 1",
    }
    expose(tmp_path, 2)
    assert files(tmp_path) == {**inputs, "configs/sm86.pbtxt": "sm86 2"}
    expose(tmp_path, 3)
    assert not (tmp_path / "configs").exists()
    forget(tmp_path, 3)
    forget(tmp_path, 3)
    assert files(tmp_path) == inputs


def test_a_version_of_an_older_litho_brings_nothing(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    expose(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
