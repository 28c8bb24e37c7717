import time
from pathlib import Path

from litho.benchmarks.faults.base import Scene
from litho.benchmarks.faults.load import Load
from litho.benchmarks.faults.serving import Serving
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


def test_a_scene_knows_its_model_and_collects_problems(tmp_path: Path) -> None:
    serving = Serving(tmp_path, tmp_path)
    serving.addresses = {"endpoints": ["grpc://127.0.0.1:1/tiny"]}
    signature = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))
    load = Load(serving.endpoint, tmp_path / "pictures.npy", tmp_path / "log")
    scene = Scene(serving, load, signature, tmp_path / "repository", tmp_path / "bundle")
    assert scene.endpoint.address == "127.0.0.1:1"
    assert scene.model == tmp_path / "repository" / "tiny"
    scene.expect(True, "nothing")
    scene.expect(False, "the server is gone")
    assert scene.problems == ["the server is gone"]
    before = time.monotonic()
    scene.ended()
    assert scene.whole_from >= before
