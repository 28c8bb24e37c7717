import pytest
from hypothesis import given, strategies as st
from tritonclient.grpc import service_pb2

from litho.benchmarks.load.generator.worker.protobuf import fields, read_answer


@given(
    st.lists(st.integers(0, 2**40), max_size=4),
    st.binary(max_size=300),
    st.text("abcé", max_size=5),
    st.integers(0, 2**62),
)
def test_answers_are_read_as_protobuf_reads_them(shape, content, name, number):
    message = service_pb2.ModelInferResponse(model_name="model", id="x" * 200)
    message.parameters["count"].int64_param = number
    message.parameters["share"].double_param = 0.5
    message.outputs.add(name=name, datatype="UINT8", shape=shape)
    message.raw_output_contents.append(content)
    assert read_answer(message.SerializeToString()).outputs == {name: ("UINT8", tuple(shape), content)}


@pytest.mark.parametrize("content", [b"\x0a\x05ab", b"\xff", b"\x0f", b"\x0a"])
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ValueError, match=r"longer than its message|cut off|of kind"):
        list(fields(content))
