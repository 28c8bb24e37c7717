import struct
from pathlib import Path

import numpy as np
import pytest

from litho.bundle import Bundle
from litho.parity.probe_inputs import probe_inputs
from litho.serving.configuration.warm_up import served_shapes, warm_up_files, warm_up_requests
from litho.serving.control.server_control import ServerControl
from litho.serving.server.embedded import EmbeddedServer
from litho.signature.fields import latent_field, seed_field

from ..described import PROMPT, SOURCE, STEPS, a_manifest, config_of, described


def test_every_batch_size_that_matters_is_warmed_up() -> None:
    manifest = a_manifest((seed_field(), latent_field(16)))
    config = config_of(manifest, preferred_batch_sizes=(4,), max_batch_size=32)
    assert [entry.batch_size for entry in config.model_warmup] == [1, 4, 16, 32]
    inputs = config.model_warmup[0].inputs
    assert {name: list(entry.dims) for name, entry in inputs.items()} == {"seed": [1], "latent": [16]}
    assert not config_of(a_manifest(), warm_up=False).model_warmup
    assert not warm_up_files(described(manifest, warm_up=False), optional_inputs=True)


def test_on_a_gpu_every_size_that_batches_are_filled_up_to_is_warmed_up() -> None:
    config = config_of(a_manifest((seed_field(), latent_field(16))), max_batch_size=20, device="cuda")
    assert [entry.batch_size for entry in config.model_warmup] == [1, 2, 4, 8, 12, 16, 20]


def test_the_files_hold_values_of_the_probes_as_triton_reads_them() -> None:
    manifest = a_manifest((PROMPT, seed_field(), latent_field(16), STEPS))
    files = warm_up_files(described(manifest, version=3), optional_inputs=False)
    probes = probe_inputs(manifest.signature)["probes"]
    text = files["warmup/3/prompt"]
    assert struct.unpack("<I", text[:4]) == (len(text) - 4,)
    assert text[4:].decode() == probes["prompt"][-1]
    assert np.frombuffer(files["warmup/3/seed"], "<i8") == probes["seed"][-1]
    np.testing.assert_array_equal(np.frombuffer(files["warmup/3/latent"], "<f4"), probes["latent"][-1])
    assert np.frombuffer(files["warmup/3/steps"], "<i8") == probes["steps"][-1]


def test_the_warm_up_leaves_out_what_has_a_default_unless_the_graph_wants_it() -> None:
    manifest = a_manifest((PROMPT, seed_field(), STEPS))
    for kind, names in (("litho", {"prompt", "seed"}), ("onnxruntime", {"prompt", "seed", "steps"})):
        requests = config_of(manifest, kind).model_warmup
        assert all(set(request.inputs) == names for request in requests)
        files = warm_up_files(described(manifest), optional_inputs=kind == "litho")
        assert set(files) == {f"warmup/1/{name}" for name in names}


def test_each_served_size_is_warmed_up() -> None:
    manifest = a_manifest((seed_field(), SOURCE))
    requests = warm_up_requests(described(manifest), optional_inputs=True)
    assert [request.name for request in requests] == [
        "batch 1",
        "batch 16",
        "batch 64",
        "batch 1 of size 8x8",
        "batch 1 of size 64x128",
        "batch 1 of size 256x8",
    ]
    assert [list(request.inputs["image"].dims) for request in requests[2:]] == [
        list(shape["image"]) for shape in served_shapes(manifest.signature)
    ]
    files = warm_up_files(described(manifest), optional_inputs=True)
    for request in requests:
        for entry in request.inputs.values():
            assert f"warmup/{entry.input_data_file}" in files
    assert len(files["warmup/1/256x8-image"]) == 256 * 8 * 3


def test_a_sampler_is_not_kept_waiting_by_its_largest_batch(flow_bundle: Path) -> None:
    manifest = Bundle.load(flow_bundle).manifest
    sizes = [one.batch_size for one in warm_up_requests(described(manifest), optional_inputs=True)]
    assert sizes == [1, 8]
    some = described(manifest, preferred_batch_sizes=(32,))
    assert [one.batch_size for one in warm_up_requests(some, optional_inputs=True)] == [1, 8, 32]


@pytest.mark.slow
def test_the_server_runs_the_warm_up_before_it_is_ready(flow_server: EmbeddedServer) -> None:
    """They count as requests that were answered: one batch of 1 and one of 8."""
    with ServerControl(flow_server.grpc_url) as control:
        ((name, version),) = {(state.model, state.version) for state in control.index()}
        counted = control.statistics(name)[version]
    assert counted.failures == 0
    assert counted.inferences >= 9
    assert {1, 8} <= set(counted.batch_sizes)
