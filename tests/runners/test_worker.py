"""The worker's process by itself: what it answers, and when it ends."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from litho.runners._messages import GRAPH, Message, encode, read

Ask = Callable[..., Message]


@contextmanager
def process() -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    own, other = socket.socketpair()
    with own:
        with other:
            program = "from litho.runners._worker import main; main()"
            started = subprocess.Popen(
                [sys.executable, "-c", program, str(other.fileno())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[other.fileno()],
            )
        with started:
            try:
                yield started, own
            finally:
                started.kill()


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Sends a request to a new process and gives its answer."""
    with process() as (_, channel):

        def exactly(count: int) -> bytearray:
            content = bytearray()
            while len(content) < count:
                part = channel.recv(count - len(content))
                if not part:
                    raise EOFError
                content += part
            return content

        def asked(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> Message:
            for part in encode(facts, arrays):
                channel.sendall(part)
            return read(exactly)

        yield asked


def test_a_request_that_fails_is_answered_and_the_next_one_too(ask: Ask) -> None:
    facts, _ = ask({"do": "run", "session": 3})
    assert facts["error"]["line"] == "KeyError: 3"
    facts, _ = ask({"do": "dance"})
    assert facts["error"]["line"] == "KeyError: 'dance'"
    assert ask({"do": "close", "session": 3}) == ({}, {})


def test_a_graph_is_run_as_it_is_written(ask: Ask) -> None:
    """Two operations that an optimiser would fold into none: their value is asked for."""
    value = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "xyz"}
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Neg", ["y"], ["z"])]
    graph = helper.make_graph(nodes, "g", [value["x"]], [value["y"], value["z"]])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(model)
    content = np.frombuffer(model.SerializeToString(), np.uint8)
    given = np.arange(3, dtype=np.float32)
    _, made = ask({"do": "values", "outputs": ["y", "z"]}, {"x": given, "unused": given, GRAPH: content})
    np.testing.assert_array_equal(made["y"], -given)
    np.testing.assert_array_equal(made["z"], given)


@pytest.mark.parametrize("when", ["before it listens", "while it waits"])
@pytest.mark.parametrize("closed", ["socket", "standard input"])
def test_it_ends_when_the_other_process_is_gone(when: str, closed: str) -> None:
    with process() as (started, channel):
        if when == "while it waits":
            for part in encode({"do": "close", "session": 0}):
                channel.sendall(part)
            assert channel.recv(1)
        if closed == "socket":
            channel.shutdown(socket.SHUT_RDWR)
        else:
            assert started.stdin is not None
            started.stdin.close()
        started.wait(60)
        assert started.stderr is not None
        assert started.stderr.read() == b""
