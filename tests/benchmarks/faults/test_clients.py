import numpy as np
import pytest
from tritonclient.utils import InferenceServerException

from litho.benchmarks.faults.clients import ROWS, inputs_of, outcome_of, rows_of, same_picture
from litho.errors import EndpointError
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

SIGNATURE = Signature(inputs=(seed_field(), label_field(("a", "b"))), output=image_output(4, 4, 1))


def test_every_process_asks_for_the_same_pictures() -> None:
    rows = rows_of(SIGNATURE)
    assert len(rows) == ROWS
    assert len({int(row["seed"][0]) for row in rows}) == ROWS
    for one, again in zip(rows, rows_of(SIGNATURE), strict=True):
        assert {name: array.tolist() for name, array in one.items()} == {
            name: array.tolist() for name, array in again.items()
        }


def test_scalars_are_sent_with_the_shape_that_triton_wants() -> None:
    inputs = inputs_of(SIGNATURE, rows_of(SIGNATURE)[0])
    assert [(one.name(), one.datatype(), one.shape()) for one in inputs] == [
        ("seed", "INT64", [1, 1]),
        ("label", "INT64", [1, 1]),
    ]


@pytest.mark.parametrize(("change", "same"), [(0, True), (1, True), (2, False)])
def test_a_picture_may_differ_as_the_contract_says(change: int, same: bool) -> None:
    picture = np.zeros((64, 64, 1), np.uint8)
    other = picture.copy()
    other[0, 0] = change
    assert same_picture(other, picture) is same
    assert not same_picture(picture[:32], picture)
    assert not same_picture(picture + 1, picture)


def test_an_error_is_counted_by_its_code() -> None:
    refused = InferenceServerException("no\nstub", "StatusCode.UNAVAILABLE")
    assert outcome_of(refused) == ("UNAVAILABLE", "[StatusCode.UNAVAILABLE] no stub")
    assert outcome_of(EndpointError("gone")) == ("EndpointError", "gone")
