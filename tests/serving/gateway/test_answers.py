"""What is inside of answers and events that no client of OpenAI looks at."""

import json
import urllib.request

from litho.serving.gateway.program import Program
from tests.streaming import REFUSED


def test_an_error_after_the_first_event_is_an_event(streaming_gateway: Program) -> None:
    """One picture of two is refused by the server while the other is on its way."""
    from litho.serving.gateway.work import derived_seed

    body = {"model": "sketch", "stream": True, "partial_images": 1, "seed": 5, "steps": 4, "n": 2}
    request = urllib.request.Request(
        f"{streaming_gateway.url}/v1/images/generations",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-store"
        events = answer.read().decode().split("\n\n")
    assert events.pop() == ""
    kinds = [event.partition("\n")[0] for event in events]
    assert kinds.count("event: image_generation.completed") == 2
    seeds = {json.loads(event.partition("data: ")[2]).get("seed") for event in events} - {None}
    assert seeds == {5, derived_seed(5, 1)}
    assert REFUSED not in seeds


def test_the_receipt_names_the_version_that_made_the_picture(streaming_gateway: Program) -> None:
    """Half of the requests for "both" go to its candidate, as soon as the gateway has found it."""
    body = {"model": "both", "n": 10, "steps": 1}
    named: set[str] = set()
    for seed in range(0, 100_000, 1000):
        request = urllib.request.Request(
            f"{streaming_gateway.url}/v1/images/generations",
            json.dumps({**body, "seed": seed}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            receipts = [one["receipt"] for one in json.load(answer)["data"]]
        assert {receipt["version"] for receipt in receipts} == {"1"}
        named |= {receipt["model"] for receipt in receipts}
        if len(named) > 1:
            break
    assert named == {"both", "both-canary"}
