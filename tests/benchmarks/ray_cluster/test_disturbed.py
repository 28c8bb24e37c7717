"""Two folders of shards compared: what is missing, other or twice is found."""

import json
import shutil
from pathlib import Path

from litho.benchmarks.ray_cluster.disturbed import compare


def write(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        (folder / f"{number:05d}.tar").write_bytes(bytes([number]))
    shards = [{"first": 10 * number, "pictures": 10} for number in range(3)]
    (folder / "manifest.json").write_text(json.dumps({"shards": shards}))
    return folder


def test_every_difference_counts(tmp_path: Path) -> None:
    alone = write(tmp_path / "alone")
    assert compare(alone, write(tmp_path / "same")) == (0, 0, 0)
    other = write(tmp_path / "other")
    (other / "00001.tar").unlink()
    (other / "00002.tar").write_bytes(b"x")
    shutil.copy(other / "00000.tar", other / "00003.tar")
    document = json.loads((other / "manifest.json").read_text())
    document["shards"].append({"first": 25, "pictures": 10})
    (other / "manifest.json").write_text(json.dumps(document))
    assert compare(alone, other) == (1, 3, 5)
