import json
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from litho.benchmarks.load.generator.plan import Kind, Picks, Plan, Site, kind_positions, write_plan
from litho.benchmarks.load.generator.worker.plan import Plan as Read
from litho.errors import UsageError
from litho.runners.triton import Access
from litho.signature import Signature, with_latent
from litho.signature.fields import Field, Role, image_output, seed_field

from ...planted_triton import SIGNATURE

PICTURES = Signature(
    inputs=(Field(name="source", role=Role.IMAGE, dtype="UINT8", shape=(4, 4, 1), minimum=0, maximum=255),),
    output=image_output(4, 4, 1),
)
TEXT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES", default="")
TEXTS = Signature(inputs=(seed_field(), TEXT), output=image_output(4, 4, 1))


def written(folder, signature, kinds, transport="grpc", **plan):
    site = Site(signature, "[::1]:8001", "model", "3", transport, access=Access(headers={"x-team": "ink"}))
    write_plan(Plan(kinds, **plan), site, folder, 0, 1)
    return Read.read(folder)


@pytest.mark.parametrize("signature", [SIGNATURE, TEXTS, with_latent(SIGNATURE, 7), PICTURES])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_only_the_counted_numbers_of_a_message_change(tmp_path, signature, rows):
    inputs = signature.example(rows, seed=4)
    read = written(tmp_path, signature, [Kind(inputs)])
    seen = set()
    for start in (0, 5, 2**40):
        content = read.messages[0].of(start)
        seen.add(content)
        assert int.from_bytes(content[1:5], "big") == len(content) - 5
        request = service_pb2.ModelInferRequest.FromString(content[5:])
        assert (request.model_name, request.model_version) == ("model", "3")
        for entry, raw in zip(signature.inputs, request.raw_input_contents, strict=True):
            given = inputs[entry.name]
            if entry.role is Role.SEED:
                assert np.frombuffer(raw, np.int64).tolist() == list(range(start, start + rows))
            elif entry.dtype == "FP32":
                assert np.allclose(np.frombuffer(raw, np.float32), given.ravel(), rtol=1e-2, atol=1e-30)
            elif entry.role is Role.IMAGE:
                assert raw[8:] == given.tobytes()[8:]
    assert len(seen) > 1
    assert read.messages[0].answer_bytes == rows * 16


def test_a_message_over_http_is_what_its_head_says(tmp_path):
    inputs = SIGNATURE.example(2)
    read = written(tmp_path, SIGNATURE, [Kind(inputs)], "http")
    head, _, body = read.messages[0].of(9).partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert line == "POST /v2/models/model/versions/3/infer HTTP/1.1"
    assert headers["Host"] == "[::1]:8001"
    assert headers["x-team"] == "ink"
    assert int(headers["Content-Length"]) == len(body)
    size = int(headers["Inference-Header-Content-Length"])
    words = json.loads(body[:size])
    assert words["outputs"] == [{"name": "image", "parameters": {"binary_data": True}}]
    assert [one["shape"] for one in words["inputs"]] == [[2, 1], [2, 1]]
    seeds = np.frombuffer(body[size:][:16], np.int64)
    assert seeds.tolist() == [9, 10]


def test_facts_of_a_plan_are_read_back(tmp_path):
    times = np.array([0.25, 0.5])
    picks = Picks(10, [Kind(SIGNATURE.example(2))])
    read = written(tmp_path, SIGNATURE, [Kind(SIGNATURE.example(1))], times=times, picks=picks, first_seed=8)
    assert (read.host, read.port, read.in_flight, read.first_seed) == ("::1", 8001, 0, 8)
    assert list(read.times) == [0.25, 0.5]
    assert ("x-team", "ink") in read.headers
    # Given inputs stay as they are.
    assert read.picked[0].of(77) == read.picked[0].content
    fixed = written(tmp_path, SIGNATURE, [Kind(SIGNATURE.example(1))] * 3, fixed=True, in_flight=2)
    assert fixed.most == 3
    assert fixed.messages[0].of(77) == fixed.messages[0].content


def test_previews_are_asked_for(tmp_path):
    kind = Kind(SIGNATURE.example(1), preview_every=2)
    request = service_pb2.ModelInferRequest.FromString(
        written(tmp_path, SIGNATURE, [kind], "streamed").messages[0].content[5:]
    )
    assert request.parameters["preview_every"].int64_param == 2


def test_processes_share_the_kinds_so_that_all_are_sent_in_turn():
    plan = Plan([Kind({}) for _ in range(5)], times=np.arange(12.0))
    shares = [kind_positions(plan, part, 3) for part in range(3)]
    sent = [shares[number % 3][number // 3 % 5] for number in range(12)]
    assert sent == [number % 5 for number in range(12)]
    fixed = Plan(plan.kinds, fixed=True)
    assert sorted(position for part in range(3) for position in kind_positions(fixed, part, 3)) == list(
        range(5)
    )


def test_http_has_no_streams(planted_triton):
    from litho.runners import open_runner

    planted = planted_triton(decoupled=True)
    with open_runner(planted.url) as runner:
        assert Site.of(runner).transport == "streamed"
        with pytest.raises(UsageError, match="answers in a stream, which Triton's HTTP has not"):
            Site.of(runner, planted.http)


def test_the_worker_of_a_plan_needs_nothing_but_the_standard_library():
    worker = Path(__file__).parents[4] / "benchmarks" / "load" / "generator" / "worker"
    for file in worker.rglob("*.py"):
        text = file.read_text()
        assert "import numpy" not in text
        assert "litho" not in "".join(
            line for line in text.splitlines() if line.startswith(("import", "from"))
        )
