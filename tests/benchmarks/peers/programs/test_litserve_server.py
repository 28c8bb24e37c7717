"""What LitServe's workers do with a batch, without the server around them."""

import asyncio
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.benchmarks.peers.programs import litserve_server
from litho.bundle import Bundle

pytest.importorskip("litserve")


def test_a_batch_gives_the_pictures_of_the_probes(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a program its folder is the first where modules are looked for.
    monkeypatch.syspath_prepend(Path(litserve_server.__file__).parent)
    opened = Bundle.load(bundle)
    probes = opened.probes().first(3)
    shape = list(probes.images.shape[1:])
    file = str(bundle / opened.manifest.variants[0].file)
    plan = {"graph": file, "threads": 1, "output": "image", "shape": shape}
    api = litserve_server.API(plan, max_batch_size=8)
    api.setup("cpu")
    requests = [{name: values[row].item() for name, values in probes.inputs.items()} for row in range(3)]
    pictures = api.unbatch(api.predict(api.batch(requests)))
    answers = [api.encode_response(picture) for picture in pictures]
    words = int(answers[0].headers["inference-header-content-length"])
    assert json.loads(answers[0].body[:words])["outputs"][0]["shape"] == [1, *shape]
    assert [answer.body[words:] for answer in answers] == [picture.tobytes() for picture in pictures]
    assert np.abs(np.stack(pictures).astype(int) - probes.images.astype(int)).max() <= 1
    monkeypatch.delitem(sys.modules, "session", raising=False)


def test_it_has_no_other_class() -> None:
    with pytest.raises(AttributeError, match="Other"):
        _ = litserve_server.Other


def test_the_values_behind_the_json_of_a_request_become_json() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(await receive())

    body = b'{"inputs": []}' + struct.pack("<qf", 2**40, 0.5)
    messages = [{"body": body[20:], "more_body": False}, {"body": body[:20], "more_body": True}]

    async def receive() -> Any:
        return messages.pop()

    layer = litserve_server.RawBody(app, {"seed": "INT64", "truncation": "FP32"})
    asyncio.run(layer({"method": "POST"}, receive, None))
    assert json.loads(seen[0]["body"]) == {"seed": 2**40, "truncation": 0.5}
    messages.append({"body": b"as it is"})
    asyncio.run(layer({"method": "GET"}, receive, None))
    assert seen[1]["body"] == b"as it is"
