"""What LitServe's workers do with a batch, without the server around them."""

import sys
from pathlib import Path

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
    plan = {"graph": str(bundle / opened.manifest.variants[0].file), "threads": 1, "output": "image"}
    api = litserve_server.API(plan, max_batch_size=8)
    api.setup("cpu")
    requests = [{name: values[row].item() for name, values in probes.inputs.items()} for row in range(3)]
    pictures = api.unbatch(api.predict(api.batch(requests)))
    answers = [api.encode_response(picture) for picture in pictures]
    assert [len(answer.body) for answer in answers] == [probes.images[0].size] * 3
    assert np.abs(np.stack(pictures).astype(int) - probes.images.astype(int)).max() <= 1
    monkeypatch.delitem(sys.modules, "session", raising=False)


def test_it_has_no_other_class() -> None:
    with pytest.raises(AttributeError, match="Other"):
        _ = litserve_server.Other
