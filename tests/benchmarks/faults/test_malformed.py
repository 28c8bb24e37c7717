from collections import Counter

from litho.benchmarks.faults.clients import rows_of
from litho.benchmarks.faults.malformed import Malformed
from litho.runners.triton import messages
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

SIGNATURE = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(4, 4, 1))


def malformed(count: int, seed: int = 0) -> list[tuple[str, object]]:
    requests = Malformed("tiny", rows_of(SIGNATURE), SIGNATURE, count, seed)
    return [
        (kind, one.SerializeToString() if isinstance(one, messages.ModelInferRequest) else one)
        for kind, one in requests
    ]


def test_the_same_seed_gives_the_same_requests() -> None:
    assert malformed(300) == malformed(300)
    assert malformed(300) != malformed(300, seed=1)


def test_every_kind_of_fault_occurs() -> None:
    assert len(Counter(kind for kind, _ in malformed(300))) == 15
