import numpy as np
import pytest

from litho.benchmarks.load.generator import Kind, Plan, Site, drive
from litho.benchmarks.load.generator.worker.calls import status_words
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output

from ....planted_triton import SIGNATURE

LARGE = Signature(
    inputs=(
        *SIGNATURE.inputs,
        Field(name="source", role=Role.IMAGE, dtype="UINT8", shape=(300, 400, 3), minimum=0, maximum=255),
    ),
    output=image_output(4, 4, 1),
)


def test_requests_larger_than_windows_and_frames_arrive_whole(planted_triton):
    """A window of gRPC is 64 KiB at first, and a frame 16 KiB."""
    planted = planted_triton()
    inputs = LARGE.example(3)
    plan = Plan([Kind(inputs)], in_flight=14, first_seed=5)
    outcomes = drive(plan, Site(LARGE, planted.address, "planted"), seconds=0.2, ended=14)
    assert not outcomes.errors
    assert planted.asked == len(outcomes.began) > 14
    assert sorted(planted.seeds) == list(range(5, 5 + 3 * planted.asked))
    assert planted.labels == np.tile(inputs["label"], planted.asked).tolist()


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"grpc-status": "0"}, "0"),
        ({"grpc-status": "14", "grpc-message": "at 100 %25"}, "14 at 100 %"),
        ({":status": "200"}, ""),
        ({":status": "503"}, "14 HTTP status 503"),
    ],
)
def test_a_status_is_code_and_words(headers, words):
    assert status_words(headers) == words
