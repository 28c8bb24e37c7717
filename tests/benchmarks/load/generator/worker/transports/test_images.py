import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from litho.benchmarks.load.generator import Kind, Plan, Site, drive
from litho.benchmarks.load.generator.plan import write_plan
from litho.benchmarks.load.generator.worker.plan import Plan as Read
from litho.errors import UsageError
from litho.signature import with_latent

from .....planted_triton import SIGNATURE


@pytest.fixture
def planted_gateway():
    """Answers with so many pictures as were asked for, and every fourth time with one too few; keeps what it got."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body))
            count = body["n"] - (len(asked) % 4 == 0)
            content = json.dumps({"data": [{"b64_json": "AAAA"}] * count}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    server.server_close()


def test_pictures_are_asked_for_and_counted(planted_gateway):
    address, asked = planted_gateway
    site = Site(SIGNATURE, address, "planted", transport="images")
    plan = Plan([Kind(SIGNATURE.example(2))], first_seed=7, in_flight=1)
    outcomes = drive(plan, site, seconds=0.2, ended=4)
    assert {path for path, _ in asked} == {"/v1/images/generations"}
    assert all(body.keys() == {"model", "n", "seed", "label"} and body["n"] == 2 for _, body in asked)
    assert [body["seed"] for _, body in asked[:3]] == [10**18 + seed for seed in (7, 9, 11)]
    assert outcomes.errors.total() == len(asked) // 4
    assert "has 1 pictures, not 2" in next(iter(outcomes.errors))


def test_seeds_of_a_message_have_as_many_digits_whatever_they_count_from(tmp_path):
    site = Site(SIGNATURE, "127.0.0.1:1", "planted", transport="images")
    write_plan(Plan([Kind(SIGNATURE.example(1))]), site, tmp_path, 0, 1)
    (message,) = Read.read(tmp_path).messages
    for start in (0, 1, 2**44, 2**63 - 1):
        head, _, body = message.of(start).partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert json.loads(body)["seed"] < 2**63


def test_a_field_that_is_no_number_or_text_is_refused(tmp_path):
    site = Site(with_latent(SIGNATURE, 7), "127.0.0.1:1", "planted", transport="images")
    with pytest.raises(UsageError, match="'latent'"):
        write_plan(Plan([Kind(site.signature.example(1))]), site, tmp_path, 0, 1)
