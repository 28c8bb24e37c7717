"""OpenAI's client for JavaScript, where node has it: NODE_PATH names the folder that it is installed in."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.serving.gateway.program import Program

from .conftest import png

SCRIPT = """
const {default: OpenAI, toFile} = require("openai");
const client = new OpenAI({baseURL: process.argv[2] + "/v1", apiKey: "none", maxRetries: 0});
(async () => {
  const out = {models: (await client.models.list()).data.map((one) => one.id).sort()};
  const made = await client.images.generate({model: "whole", n: 3, seed: 7, response_format: "b64_json"});
  out.seeds = made.data.map((one) => one.seed);
  out.events = [];
  const asked = {model: "sketch", seed: 7, steps: 8, stream: true, partial_images: 2};
  for await (const event of await client.images.generate(asked)) out.events.push(event.type);
  const picture = Buffer.from(process.argv[3], "base64");
  const image = await toFile(picture, "picture.png", {type: "image/png"});
  out.edited = (await client.images.edit({model: "larger", image})).data.length;
  out.errors = [];
  for (const wrong of [{model: "nothing"}, {model: "whole", n: 0}, {model: "whole", colour: "red"}])
    try { await client.images.generate(wrong); } catch (error) {
      out.errors.push([error.constructor.name, error.status, error.param]);
    }
  console.log(JSON.stringify(out));
})();
"""


@pytest.fixture(scope="module")
def node() -> str:
    program = shutil.which("node")
    if program is None:
        pytest.skip("node is not installed")
    found = subprocess.run([program, "-e", 'require("openai")'], capture_output=True, env=os.environ)
    if found.returncode:
        pytest.skip(
            "node has no package openai; install it with npm, and let NODE_PATH name its node_modules"
        )
    return program


def test_the_client_for_javascript_meets_what_it_expects(
    node: str, streaming_gateway: Program, tmp_path: Path
) -> None:
    picture = base64.b64encode(png(np.zeros((8, 8, 3), np.uint8))).decode()
    script = tmp_path / "client.cjs"
    script.write_text(SCRIPT)
    command = [node, str(script), streaming_gateway.url, picture]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert {"whole", "sketch", "larger"} <= set(found["models"])
    assert found["seeds"][0] == 7
    assert len(set(found["seeds"])) == 3
    assert found["events"] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert found["edited"] == 1
    assert found["errors"] == [
        ["NotFoundError", 404, "model"],
        ["BadRequestError", 400, "n"],
        ["BadRequestError", 400, "colour"],
    ]
