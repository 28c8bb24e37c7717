import json
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from litho.training.data.dataset import Dataset
from litho.training.data.sources import load
from litho.training.evaluation.feature_net import feature_net

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LITHO_CACHE", str(tmp_path))
    return tmp_path / "feature-nets"


@pytest.fixture(scope="module")
def few() -> tuple[Dataset, Dataset]:
    """Digits of 4x4 pixels: a net of theirs is trained in a second or two."""
    train, test = load("digits", resolution=4).split()
    return train.select(np.arange(500)), test.select(np.arange(50))


@pytest.fixture(scope="module")
def filled(few: tuple[Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the net of `few`."""
    folder = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITHO_CACHE", str(folder))
        feature_net(*few)
    return folder


@pytest.fixture
def cached(filled: Path, cache: Path) -> Path:
    """A copy of `filled`, for a test alone."""
    return copytree(filled / "feature-nets", cache)


def trained(cache: Path) -> tuple[Path, Path]:
    (weights,), (document,) = cache.glob("*.safetensors"), cache.glob("*.json")
    return weights, document


def test_a_net_is_trained_once_and_read_after(few: tuple[Dataset, Dataset], cache: Path) -> None:
    told: list[float] = []
    first = feature_net(*few, progress=told.append)
    assert told == sorted(told)
    assert told[-1] <= 1
    assert len(told) > 1
    told.clear()
    second = feature_net(*few, progress=told.append)
    assert told == []
    assert second.info == first.info
    assert torch.equal(first.classify(few[1].images).features, second.classify(few[1].images).features)


def test_what_is_recorded_is_true(few: tuple[Dataset, Dataset], cached: Path) -> None:
    net = feature_net(*few)
    weights, document = trained(cached)
    assert weights.stem == document.stem
    assert weights.name.startswith("digits-")
    assert net.info.name == "digits"
    assert net.info.accuracy == net.classify(few[1].images).accuracy(few[1].labels)
    assert net.info.accuracy > 0.6
    assert (net.info.task, net.info.classes, net.info.test_count) == ("classes", 10, 50)


@pytest.mark.parametrize(
    "damage", ["weights cut short", "weights changed", "document cut short", "document foreign"]
)
def test_a_damaged_net_is_trained_again(few: tuple[Dataset, Dataset], cached: Path, damage: str) -> None:
    before = feature_net(*few).info
    weights, document = trained(cached)
    content = weights.read_bytes()
    match damage:
        case "weights cut short":
            weights.write_bytes(content[:100])
        case "weights changed":
            weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "document cut short":
            document.write_text(document.read_text()[:30])
        case "document foreign":
            document.write_text(json.dumps({"schema_version": 1, "other": True}))
    assert feature_net(*few).info == before
    assert weights.read_bytes() == content


def test_other_data_has_another_net(few: tuple[Dataset, Dataset], cached: Path) -> None:
    first = feature_net(*few).info
    second = feature_net(few[0].select(np.arange(150)), few[1]).info
    assert first.data_sha256 != second.data_sha256
    assert len(list(cached.glob("*.json"))) == 2
