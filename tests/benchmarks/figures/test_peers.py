"""The tables of peers."""

import json

from litho.benchmarks.figures import peers
from litho.benchmarks.figures.base import Results


def test_the_best_peer_is_best_at_each_batch_and_the_recommended_variant_is_marked() -> None:
    results = Results()
    texts = peers.write(results)
    document = results.read("peers-dcgan64-emoji")
    (measured,) = (value for value in document.values() if isinstance(value, list))
    speeds = {one["name"]: [timing["images_per_second"] for timing in one["timings"]] for one in measured}
    others = [values for name, values in speeds.items() if not name.startswith("generator.") and values]
    best = [f"{max(column):,.0f}" for column in zip(*others, strict=True)]
    assert texts["best"] == f"{best[0]}, {best[1]} and {best[2]}"
    assert f"**`{document['recommended']}`**" in texts[""]
    for name, values in speeds.items():
        assert any(
            name in line and line.endswith(f"| {values[-1]:,.0f} |") for line in texts[""].splitlines()
        )
    assert json.dumps(texts)
