"""The pure parts of the page's scripts, run by node: alone, and against the same formulas in NumPy."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import litho
from litho.parity.metrics import psnr_db
from litho.signature.noise import MAX_SEED, gaussian

NODE = shutil.which("node")
CALCULATIONS = Path(litho.__file__).parent / "serving" / "playground" / "calculations"

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed; it runs the page's scripts")


def node(*arguments: str | Path) -> str:
    assert NODE
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def evaluated(module: str, names: str, expression: str) -> Any:
    """The value of an expression in which some names of a module of `calculations` can be used."""
    address = (CALCULATIONS / module).as_uri()
    code = f"import {{ {names} }} from '{address}'; console.log(JSON.stringify({expression}));"
    return json.loads(node("--no-warnings", "--input-type=module", "--eval", code))


def test_the_scripts_pass_their_own_tests() -> None:
    node("--test", Path(__file__).with_name("calculations.test.mjs"))


def test_noise_of_a_seed_is_that_of_the_graph() -> None:
    seeds = [0, 7, 2**31 - 1, 2**53, (2**31 - 1) ** 2, MAX_SEED]
    listed = ", ".join(f"'{seed}'" for seed in seeds)
    found = evaluated("noise.js", "gaussian", f"[{listed}].map((seed) => [...gaussian(seed, 65)])")
    np.testing.assert_allclose(found, gaussian(np.array(seeds), 65), rtol=2e-6, atol=1e-6)


def test_figures_of_a_difference_are_those_of_the_gate() -> None:
    first, second = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8, 3), dtype=np.uint8)
    second[:, :5] = first[:, :5]
    with_alpha = [np.pad(one[0], ((0, 0), (0, 0), (0, 1))).ravel().tolist() for one in (first, second)]
    found = evaluated(
        "pixels.js", "agreement", f"agreement(...{with_alpha}.map((one) => Uint8ClampedArray.from(one)))"
    )
    apart = np.abs(first.astype(int) - second)
    assert found["psnr"] == pytest.approx(psnr_db(first, second)[0])
    assert (found["largest"], found["mean"]) == (apart.max(), pytest.approx(apart.mean()))
    assert found["identical"] == (apart.max(-1) == 0).mean()
