import numpy as np

from litho.benchmarks.load.measuring.probing import Probes


def test_every_probe_comes_in_turn_in_parts_of_the_batch() -> None:
    parts, numbers = Probes({"seed": np.arange(5) * 10}).parts(2)
    assert [part["seed"].tolist() for part in parts] == [[0, 10], [20, 30], [40, 0]]
    assert [rows.tolist() for rows in numbers] == [[0, 1], [2, 3], [4, 0]]
