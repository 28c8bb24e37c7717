import os
import socket

from litho.benchmarks.load.measuring.server_process import server_process


def test_server_is_found_by_the_port_it_listens_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert server_process(f"grpc://127.0.0.1:{listener.getsockname()[1]}/digits") == os.getpid()
    assert server_process("grpc://example.invalid:8001/digits") is None
    assert server_process("") is None
