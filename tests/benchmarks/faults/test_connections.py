import json

from litho.benchmarks.faults.clients import rows_of
from litho.benchmarks.faults.connections import _entry
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


def test_an_input_is_written_as_json_of_triton() -> None:
    signature = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))
    row = rows_of(signature)[0]
    entry = json.loads(json.dumps(_entry(signature.inputs[0], row)))
    assert entry == {"name": "seed", "datatype": "INT64", "shape": [1, 1], "data": row["seed"].tolist()}
