"""The suite for a GPU, on a CPU: its steps are ended in time, and what is missing is said."""

import json
import os
from pathlib import Path
from types import ModuleType

import pytest

import litho

SCRIPT = Path(litho.__file__).with_name("scripts") / "gpu_bench.py"


def step(script: ModuleType, code: str, seconds: float = 60) -> dict[str, object]:
    return script.run_step(script.Step("one", ("-c", code), seconds), Path("/tmp"), dict(os.environ), 60)


def test_a_step_says_its_last_line_where_it_fails(script: ModuleType) -> None:
    assert step(script, "print('fine')")["status"] == "done"
    failed = step(script, "print('first'); raise SystemExit('no engine')")
    assert (failed["status"], failed["said"]) == ("failed", "no engine")


def test_a_step_is_ended_in_time(script: ModuleType) -> None:
    ended = step(script, "import time; time.sleep(600)", 1)
    assert ended["status"] == "out of time"
    assert str(ended["said"]).startswith("it was ended after")


def test_without_packages_the_card_is_measured_by_pytorch_alone(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "prepare", lambda out: (dict(os.environ), ["pydantic"]))
    ran: list[str] = []

    def run_step(step: object, out: Path, environment: dict[str, str], seconds: float) -> dict[str, object]:
        ran.append(step.name)  # pyright: ignore[reportAttributeAccessIssue]
        (out / "peaks.json").write_text("{}", encoding="utf-8")
        return {"name": "peaks", "status": "done", "seconds": 1.0, "said": ""}

    monkeypatch.setattr(script, "run_step", run_step)
    output = tmp_path / "gpu.json"
    assert script.main(["--device", "cpu", "--output", str(output)]) == 0
    document = json.loads(output.read_text(encoding="utf-8"))
    assert ran == ["peaks"]
    assert document["schema_version"] == 2
    assert document["results"] == {"peaks": {}}
    assert any("pydantic" in line and "make gpu-wheels" in line for line in document["missing"])


def test_the_steps_fit_and_name_what_they_write(script: ModuleType) -> None:
    steps = script.steps("cuda", script.FAMILIES)
    assert script.BUDGET_SECONDS < 8 * 60
    assert len({one.name for one in steps}) == len(steps)
    for one in steps:
        # A folder, where the command gives the file its name.
        assert not one.result or any(
            argument in (f"{{out}}/{one.result}", "{out}") for argument in one.command
        )


def test_without_a_gpu_the_message_says_how_to_try_it(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert script.main([]) == 2
    assert "--device cpu" in capsys.readouterr().err
