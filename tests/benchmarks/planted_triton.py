"""A server that speaks Triton's protocols and has planted faults, in this process."""

import json
import socket
import socketserver
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2
from tritonclient.grpc.service_pb2_grpc import (
    GRPCInferenceServiceServicer,
    add_GRPCInferenceServiceServicer_to_server,
)

from litho.runners.triton import ServedModel
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field

SIGNATURE = Signature(inputs=(seed_field(), label_field(("a", "b", "c"))), output=image_output(4, 4, 1))


def painted(seeds: np.ndarray, signature: Signature = SIGNATURE) -> np.ndarray:
    """The right pictures: the grey of the seed."""
    greys = (seeds % 256).astype(np.uint8)
    return np.broadcast_to(greys[:, None, None, None], (len(seeds), *signature.output.shape))


class PlantedTriton(GRPCInferenceServiceServicer):
    """Serves the model "planted" over gRPC and HTTP, until it is closed or the `with` block ends.

    Args:
        seconds: how long one request takes; may be changed while it runs.
        fail_every: every so many requests fail; 0 for none.
        wrong_every: every so many requests get wrong pictures; 0 for none.
        wrong_from: number of the request from which on `wrong_every` counts; may be changed while it runs, as
            `fail_every`, `wrong_every` and `silent_after` may.
        silent_after: number of requests after which none is answered; None for never.
        short: whether pictures come without their last byte.
        decoupled: whether the model answers in streams.
        close_every: every so many answers over HTTP the connection is closed; 0 for never.
        pieces: size of the pieces in which answers over HTTP come; 0 for whole ones.
        papers: certificates for TLS, of gRPC and of HTTP; None for plain connections.
        http_papers: others for HTTP.
        signature: of the model.
        served: more facts of the model.
    """

    def __init__(
        self,
        *,
        seconds=0.0,
        fail_every=0,
        wrong_every=0,
        wrong_from=0,
        silent_after=None,
        short=False,
        decoupled=False,
        close_every=0,
        pieces=0,
        papers=None,
        http_papers=None,
        signature=SIGNATURE,
        **served,
    ):
        self.wrong_from, self.signature, self.served = wrong_from, signature, served
        self.seconds, self.fail_every, self.wrong_every = seconds, fail_every, wrong_every
        self.silent_after, self.short, self.decoupled = silent_after, short, decoupled
        self.close_every, self.pieces = close_every, pieces
        self.asked = self.answered = self.in_flight = self.most_in_flight = 0
        self.seeds, self.labels, self.headers = [], [], []
        self._numbers, self._lock = count(1), threading.Lock()
        self._gone = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(40), options=[("grpc.max_receive_message_length", -1)])
        add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._port(papers)}"
        self.url = f"{'grpcs' if papers else 'grpc'}://{self.address}/planted"
        self._server.start()
        self._http = _Http(self, http_papers or papers)
        self.http = f"127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _port(self, papers):
        if papers is None:
            return self._server.add_insecure_port("127.0.0.1:0")
        pair = (papers.key.read_bytes(), papers.certificate.read_bytes())
        return self._server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))

    def close(self):
        self._gone.set()
        self._server.stop(0).wait()
        self._http.shutdown()
        self._http.server_close()

    def ModelConfig(self, request, context):
        config = model_config_pb2.ModelConfig(name="planted", max_batch_size=64)
        config.model_transaction_policy.decoupled = self.decoupled
        facts = {"bundle": "planted", "variant": "generator.fp32.onnx", "checkpoint_sha256": "0" * 64}
        facts |= {"precision": "fp32", "signature": self.signature, **self.served}
        served = ServedModel(**facts)
        for key, text in served.to_parameters().items():
            config.parameters[key].string_value = text
        return service_pb2.ModelConfigResponse(config=config)

    def ServerMetadata(self, request, context):
        return service_pb2.ServerMetadataResponse(name="triton", version="0.0")

    def ModelStatistics(self, request, context):
        counted = service_pb2.ModelStatistics(
            name="planted", version="1", inference_count=len(self.seeds), execution_count=self.answered
        )
        counted.inference_stats.success.count = self.answered
        return service_pb2.ModelStatisticsResponse(model_stats=[counted])

    def ModelInfer(self, request, context):
        self.headers.append(dict(context.invocation_metadata()))
        pictures = self.made(*_inputs(request), lambda error: context.abort(grpc.StatusCode.INTERNAL, error))
        return _response(pictures, self.short)

    def ModelStreamInfer(self, request_iterator, context):
        for request in request_iterator:
            seeds, labels = _inputs(request)
            errors = []
            pictures = self.made(seeds, labels, errors.append)
            if errors:
                yield service_pb2.ModelStreamInferResponse(error_message=errors[0])
                continue
            every = request.parameters["preview_every"].int64_param
            for row in range(len(seeds)):
                for step in range(1, 5):
                    if step == 4 or (every and step % every == 0):
                        answer = _response(
                            pictures[row : row + 1] if step == 4 else pictures[:1] * 0, self.short
                        )
                        for name, value in (("row", row), ("step", step)):
                            answer.outputs.add(name=name, datatype="INT64", shape=[1])
                            answer.raw_output_contents.append(np.int64(value).tobytes())
                        yield service_pb2.ModelStreamInferResponse(infer_response=answer)
                        time.sleep(self.seconds)

    def made(self, seeds, labels, fail):
        """Pictures of a request, after the planted faults."""
        with self._lock:
            number = self.asked = next(self._numbers)
            self.seeds += seeds.tolist()
            self.labels += labels.tolist()
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.silent_after is not None and number > self.silent_after:
            self._gone.wait()
        if self.seconds and not self.decoupled:
            time.sleep(self.seconds)
        with self._lock:
            self.in_flight -= 1
            fails = self.fail_every and number % self.fail_every == 0
            self.answered += not fails
        if fails:
            fail("a planted failure, at 100 %")
        wrong = self.wrong_every and number >= self.wrong_from and number % self.wrong_every == 0
        return painted(seeds + 100 * bool(wrong), self.signature)


def _inputs(request):
    """Seeds and labels; no labels of a model that takes none."""
    given = {
        tensor.name: content
        for tensor, content in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    return [np.frombuffer(given.get(name, b""), np.int64) for name in ("seed", "label")]


def _response(pictures, short):
    answer = service_pb2.ModelInferResponse(model_name="planted", model_version="1")
    answer.outputs.add(name="image", datatype="UINT8", shape=pictures.shape)
    answer.raw_output_contents.append(pictures.tobytes()[: -1 if short else None])
    return answer


class _Http(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 128

    def __init__(self, planted, papers):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.planted, self._tls = planted, None
        if papers is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(papers.certificate, papers.key)

    def get_request(self):
        opened, address = super().get_request()
        if self._tls is not None:
            # The handshake is left to the thread of the connection.
            opened = self._tls.wrap_socket(opened, server_side=True, do_handshake_on_connect=False)
        return opened, address

    def handle_error(self, request, client_address):
        """A client that does not like the certificate hangs up."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self):
        planted, answers = self.server.planted, 0
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (line := self.rfile.readline()) != b"":
            headers = {}
            while (field := self.rfile.readline()) != b"\r\n":
                name, _, value = field.partition(b":")
                headers[name.decode().lower()] = value.strip().decode()
            planted.headers.append({"line": line.decode().strip(), **headers})
            if "inference-header-content-length" not in headers:
                return
            words = json.loads(self.rfile.read(int(headers["inference-header-content-length"])))
            size = sum(one["parameters"]["binary_data_size"] for one in words["inputs"])
            values = np.frombuffer(self.rfile.read(size), np.int64).reshape(2, -1)
            errors = []
            pictures = planted.made(*values, errors.append)
            answer = self._error(errors[0]) if errors else self._pictures(pictures, planted.short)
            step = planted.pieces or len(answer)
            for start in range(0, len(answer), step):
                self.wfile.write(answer[start : start + step])
                if planted.pieces:
                    time.sleep(1e-4)
            answers += 1
            if planted.close_every and answers % planted.close_every == 0:
                return

    @staticmethod
    def _error(text):
        body = json.dumps({"error": text}).encode()
        return b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    @staticmethod
    def _pictures(pictures, short):
        content = pictures.tobytes()[: -1 if short else None]
        output = {"name": "image", "datatype": "UINT8", "shape": pictures.shape}
        output["parameters"] = {"binary_data_size": len(content)}
        words = json.dumps({"model_name": "planted", "outputs": [output]}).encode()
        head = b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
        return head % (len(words), len(words) + len(content)) + words + content
