import hashlib
from pathlib import Path

from litho.bundle import Bundle
from litho.serving.configuration.description import Description, data_type, triton
from litho.signature.fields import seed_field

from ..described import PROMPT, a_manifest, described


def test_the_batch_sizes_that_matter_are_those_of_variant_and_scheduler() -> None:
    assert described(a_manifest()).batch_sizes == (1, 16, 64)
    some = described(a_manifest(), preferred_batch_sizes=(4, 32), max_batch_size=32)
    assert (some.batch_sizes, some.batch_limit) == ((1, 4, 16, 32), 32)


def test_one_graph_has_two_instances_and_a_sampler_one(flow_bundle: Path) -> None:
    assert described(a_manifest()).instance_count == 2
    assert described(Bundle.load(flow_bundle).manifest).instance_count == 1
    assert described(a_manifest(), instance_count=5).instance_count == 5


def test_a_bundle_without_a_signature_is_known_by_its_hash_alone(bundle: Path) -> None:
    content = (bundle / "manifest.json").read_bytes()
    assert Description.proof_of(Bundle.load(bundle)) == {
        "manifest_sha256": hashlib.sha256(content).hexdigest(),
        "manifest_signature": "",
    }


def test_a_text_is_a_string_to_triton() -> None:
    names = [triton.DataType.Name(data_type(field)) for field in (PROMPT, seed_field())]
    assert names == ["TYPE_STRING", "TYPE_INT64"]
