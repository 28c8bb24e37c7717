"""docs/quality.md says what the document says."""

import pytest

from litho.benchmarks.figures import quality as writer
from litho.benchmarks.figures.base import Results
from litho.benchmarks.quality.documents import Entry, Quality, read_quality
from litho.benchmarks.quality.targets import REASONS, TARGETS
from litho.training.presets import PRESETS


@pytest.fixture(scope="module")
def entry() -> Entry:
    return next(entry for entry in read_quality().entries if entry.preset in TARGETS)


def test_every_preset_has_a_row_measured_or_not() -> None:
    text = writer.write(Results())[""]
    measured = {entry.preset for entry in read_quality().entries if entry.budget == "cpu"}
    for preset in PRESETS:
        rows = [line for line in text.splitlines() if f"`{preset}`" in line]
        assert rows
        assert all("not measured" in row for row in rows) == (preset not in measured)


def test_every_gpu_target_without_a_gpu_says_so(entry: Entry) -> None:
    texts = writer.write(Results())
    rows = texts["gpu"].splitlines()[2:]
    assert len(rows) == sum(target.gpu is not None for targets in TARGETS.values() for target in targets)
    measured = read_quality().with_entry(entry.model_copy(update={"budget": "gpu"}))
    told = [row for row in writer._gpu(entry.preset, measured) if "not measured on a GPU" not in row[-1]]
    assert len(told) == len(TARGETS[entry.preset])


def test_feature_nets_of_one_name_are_told_apart_by_their_weights(entry: Entry) -> None:
    other = entry.feature_net.model_copy(update={"weights_sha256": "f" * 64, "accuracy": 0.5})
    entries = (entry, entry.model_copy(update={"feature_net": other}))
    rows = writer._nets(entries)
    assert [row[0] for row in rows] == [entry.feature_net.name] * 2
    assert {row[3] for row in rows} == {f"`{entry.feature_net.weights_sha256[:16]}`", f"`{'f' * 16}`"}


def test_a_figure_that_has_to_be_measured_and_is_not_is_named(entry: Entry) -> None:
    flow = entry.model_copy(update={"preset": "flow-emoji"})
    text = writer._section(flow)
    assert "Not measured: right drawing among the nearest 5%, test captions" in text
    assert REASONS["flow-emoji"].split()[0] in text


def test_nothing_measured_is_said_in_each_row() -> None:
    rows = writer._summary("vae-emoji", Quality())
    assert [row[5] for row in rows] == ["not measured"]
