"""The tables of peers."""

import json
from pathlib import Path

from litho.benchmarks.figures import peers
from litho.benchmarks.figures.base import Results
from litho.benchmarks.peers.documents import (
    NotMeasured,
    Served,
    ServedLoad,
    ServedPeer,
    Window,
    read_peers,
)
from litho.benchmarks.shared.machine import describe_machine
from litho.bundle.manifest import Verdict


def test_the_best_peer_is_best_at_each_batch_and_the_recommended_variant_is_marked() -> None:
    results = Results()
    texts = peers.write(results)
    document = results.read("peers-dcgan64-emoji")
    measured = document.get("peers") or document["entrants"]
    speeds = {one["name"]: [timing["images_per_second"] for timing in one["timings"]] for one in measured}
    others = [values for name, values in speeds.items() if not name.startswith("generator.") and values]
    best = [f"{max(column):,.0f}" for column in zip(*others, strict=True)]
    assert texts["processor"] == document["machine"]["processor"]
    assert texts["best"] == f"{best[0]}, {best[1]} and {best[2]}"
    assert f"**`{document['recommended']}`**" in texts[""]
    for name, values in speeds.items():
        assert any(
            name in line and line.endswith(f"| {values[-1]:,.0f} |") for line in texts[""].splitlines()
        )
    assert json.dumps(texts)


def test_servers_that_were_not_measured_are_said_to_be_so_and_others_are_shown(tmp_path: Path) -> None:
    results = Results()
    for name in ("dcgan64-emoji", "dcgan-fashion", "cgan-fashion", "cgan-digits"):
        document = read_peers(results.path(f"peers-{name}"))
        document = document.model_copy(update={"served": None})
        (tmp_path / f"peers-{name}.json").write_text(document.model_dump_json())
    assert peers.write(Results(tmp_path))["served"] == "Not measured yet."
    window = Window(images_per_second=900, p50_ms=2, in_flight=8, requests=900, failed=0, cpu_ms=0.5)
    load = ServedLoad(clients=8, windows=(window,), p99_ms=None)
    server = ServedPeer(
        name="litho",
        versions={"litho": "1"},
        settings="2 instances",
        trials=(),
        verdict=Verdict(status="passed"),
        loads=(load,),
        idle_cores=0,
    )
    served = Served(
        graph="generator.fp32.onnx",
        seed=0,
        seconds=1,
        date="2026-11-26",
        command="",
        peers=(server, server.model_copy(update={"name": "other"})),
        not_measured=(NotMeasured(name="third", reason="it is missing"),),
        machine=describe_machine(),
    )
    digits = read_peers(tmp_path / "peers-cgan-digits.json").model_copy(update={"served": served})
    (tmp_path / "peers-cgan-digits.json").write_text(digits.model_dump_json())
    text = peers.write(Results(tmp_path))["served"]
    assert "| other | 8 | 900 | 2.00 | – | 0.500 | 1.00 (1.00 to 1.00) |" in text
    assert "- third was not measured: it is missing." in text
