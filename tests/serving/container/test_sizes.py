"""Memory and requests of a server, from the configurations of its models."""

from __future__ import annotations

from pathlib import Path

from litho.files import write_bytes
from litho.serving.container.images import served
from litho.serving.container.sizes import instance_count, memory_bytes, request_bytes, shared_memory_bytes

MIB = 1 << 20
CONFIG = """
version_policy { specific { versions: 1 } }
max_batch_size: 32
input { name: "source" data_type: TYPE_UINT8 dims: [256, 256, 3] }
output { name: "image" data_type: TYPE_UINT8 dims: [512, 512, 3] }
"""


def test_sizes_grow_with_batches_instances_and_files(tmp_path: Path) -> None:
    write_bytes(tmp_path / "m" / "config.pbtxt", CONFIG + "instance_group { count: 3 kind: KIND_CPU }")
    write_bytes(tmp_path / "m" / "1" / "graph.onnx", b"x" * 2 * MIB)
    models = served(tmp_path)
    batch = 32 * 3 * (256 * 256 + 512 * 512)
    assert instance_count(models[0]) == 3
    assert shared_memory_bytes(models) == 64 * MIB + 3 * (2 * batch + 4 * MIB)
    assert memory_bytes(models) == 1024 * MIB + shared_memory_bytes(models) + 3 * (3 * 2 * MIB + 512 * MIB)
    assert request_bytes(models) == MIB + 8 * 32 * 3 * 256 * 256


def test_a_model_without_a_group_has_one_instance(tmp_path: Path) -> None:
    write_bytes(tmp_path / "m" / "config.pbtxt", CONFIG)
    write_bytes(tmp_path / "m" / "1" / "graph.onnx", b"x")
    assert instance_count(served(tmp_path)[0]) == 1
