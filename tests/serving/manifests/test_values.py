"""What the chart is given follows from the models."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from litho.errors import DeployError, TrustError, UsageError
from litho.files import write_bytes
from litho.serving.container.images import served
from litho.serving.container.sizes import memory_bytes, request_bytes, shared_memory_bytes
from litho.serving.manifests.values import Cluster, canary_of, opened, values_of
from litho.serving.repository.deploy import deploy
from litho.serving.repository.pins import ModelPin, check_pins

SOURCE = "pvc://models"


def values(repository: Path, **settings: Any) -> dict[str, Any]:
    cluster = Cluster(**{"source": SOURCE, "insecure": True, **settings})
    return values_of(repository, str(repository), cluster)


def test_sizes_and_hashes_are_those_of_the_models(models: Path, keys: tuple[Path, Path]) -> None:
    found = values(models, require_signature=keys[1])
    files = served(models)
    triton = found["triton"]
    assert triton["instances"] == 2
    assert triton["sharedMemory"] == f"{shared_memory_bytes(files) >> 20}Mi"
    assert triton["memory"] == f"{memory_bytes(files) >> 20}Mi"
    assert triton["requestBytes"] == request_bytes(files)
    assert "gpu" not in triton
    assert triton["grpc"] is False
    (pin,) = found["models"]
    check_pins(models, [ModelPin.model_validate(pin)])
    assert pin["queueSeconds"] == 0.1, "the tiny bundle was not timed"
    assert len(found["trust"]["publicKey"]) == 64


def test_a_timed_model_may_wait_as_long_as_its_largest_batch_takes(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    manifest = copy / "tiny" / "1" / "bundle" / "manifest.json"
    timings = '"timings": [{"batch": 1, "p50_ms": 2.0, "images_per_second": 500.0},'
    timings += ' {"batch": 8, "p50_ms": 40.0, "images_per_second": 200.0},'
    timings += ' {"batch": 4096, "p50_ms": 9000.0, "images_per_second": 1.0}]'
    text = manifest.read_text()
    assert '"timings": []' in text
    manifest.write_text(text.replace('"timings": []', timings))
    (pin,) = values(copy)["models"]
    delay = served(copy)[0].config.dynamic_batching.max_queue_delay_microseconds / 1e6
    assert pin["queueSeconds"] == pytest.approx(0.04 + delay)


def test_images_lie_in_the_registry(models: Path) -> None:
    bare, stored = values(models)["images"], values(models, registry="registry.example.org/m/")["images"]
    assert stored == {name: f"registry.example.org/m/{image}" for name, image in bare.items()}


def test_models_on_a_gpu_ask_for_one(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "models"
    shutil.copytree(models, copy)
    config = copy / "tiny" / "config.pbtxt"
    config.write_text(config.read_text().replace("KIND_CPU", "KIND_GPU"))
    found = values(copy, gpu="nvidia.com/mig-1g.10gb", gpu_product="NVIDIA-L4")["triton"]
    assert found["gpu"] == {"resource": "nvidia.com/mig-1g.10gb", "count": 1, "product": "NVIDIA-L4"}
    assert values(copy)["triton"]["gpu"] == {"resource": "nvidia.com/gpu", "count": 1, "product": ""}
    for option, given in (("gpu", "nvidia.com/gpu"), ("gpu_product", "NVIDIA-L4")):
        with pytest.raises(
            UsageError, match=f"--{option.replace('_', '-')} was given, and no model runs on a GPU"
        ):
            values(models, **{option: given})


def test_a_bundle_stands_for_a_new_repository(
    signed_bundle: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    deploy(signed_bundle, to=folder, require_signature=keys[1])
    with opened(str(signed_bundle), keys[1]) as repository:
        found = values_of(repository, str(signed_bundle), Cluster(source=SOURCE, insecure=True))
    assert found["models"] == values(folder)["models"], "as if it had been deployed"


def test_a_canary_is_what_the_other_repository_serves(models: Path, repository: Path) -> None:
    cluster = Cluster(source="pvc://other", insecure=True)
    found, other = canary_of(repository, str(repository), cluster), values(repository, source="pvc://other")
    assert found == {
        "enabled": True,
        "replicas": 1,
        **{key: other[key] for key in ("models", "source", "triton")},
    }
    assert found["models"] != values(models)["models"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": None}, "where no cluster finds it; give --source pvc://"),
        ({"insecure": False}, "give --keys-secret and --tls-secret, or insist with --insecure"),
        ({"insecure": False, "keys_secret": "k"}, "give --keys-secret and --tls-secret"),
        ({"keys_secret": "k", "tls_secret": "t"}, "--insecure was given, but keys and TLS are on"),
        ({"gateway": False}, "--insecure is for the gateway"),
        ({"keys_secret": "../x"}, "--keys-secret was given '../x'; expected the name of a Secret"),
        ({"source_secret": "Caps"}, "--source-secret was given 'Caps'; expected the name of a Secret"),
        ({"gpu": "gpu"}, "--gpu was given 'gpu'; expected a resource such as nvidia.com/gpu"),
        ({"gpu_product": "an L4"}, "--gpu-product was given 'an L4'; expected a node's label"),
        ({"registry": "https://example.org"}, "expected a registry such as registry.example.org/models"),
        ({"tensorrt": "new"}, "--tensorrt was given 'new'; expected a version such as 10.5.0"),
        ({"traces": "collector"}, "expected http://HOST:PORT/v1/traces"),
        ({"image": "nvcr.io/nvidia/tritonserver:24.10-py3"}, "lacks security fixes"),
    ],
)
def test_what_cannot_work_is_refused(models: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        values(models, **settings)


def test_an_unsigned_model_is_refused_by_name(repository: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(TrustError, match="not signed"):
        values(repository, require_signature=keys[1])


def test_an_empty_and_a_missing_repository_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="holds no model"):
        values(tmp_path)
    with (
        pytest.raises(UsageError, match="neither a model repository nor a bundle"),
        opened(str(tmp_path / "gone")),
    ):
        pass
    write_bytes(tmp_path / "m" / "config.pbtxt", "")
    with pytest.raises(DeployError, match="was not deployed by litho"):
        values(tmp_path)
