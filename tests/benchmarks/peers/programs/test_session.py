from pathlib import Path

import numpy as np

from litho.benchmarks.peers.programs.session import dtypes, open_session
from litho.bundle import Bundle


def test_a_graph_gives_the_pictures_of_the_probes(bundle: Path) -> None:
    opened = Bundle.load(bundle)
    probes = opened.probes().first(8)
    session = open_session(str(bundle / opened.manifest.variants[0].file), 1)
    assert dtypes(session) == {"seed": np.int64, "label": np.int64, "truncation": np.float32}
    (pictures,) = session.run(["image"], probes.inputs)
    assert np.abs(pictures.astype(int) - probes.images.astype(int)).max() <= 1
