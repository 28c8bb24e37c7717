"""What every test shares: hypothesis without deadlines, a tiny untrained generator, its bundle, and its server."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gc
import hashlib
import itertools
import os
import re
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from .once import made_once, shared_folder

if TYPE_CHECKING:
    from litho.object_store import ObjectStore
    from litho.serving.gateway.program import Program
    from litho.serving.server.embedded import EmbeddedServer

# A first call imports torch or compiles a graph; how long it takes says nothing about the code under test.
settings.register_profile(
    "litho", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
# Continuous integration tries the same examples every time: what fails there fails at a desk too.
settings.register_profile("ci", settings.get_profile("litho"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "litho")


class _SignalStack(ctypes.Structure):
    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def signal_stack() -> tuple[int, int]:
    """Address and size in bytes of the alternate signal stack of this thread, see sigaltstack(2); zeros for none."""
    stack = _SignalStack()
    assert ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack)) == 0
    return stack.address or 0, stack.size


@pytest.fixture(autouse=True)
def _leaves_the_signal_stack_alone() -> Iterator[None]:
    """OpenVINO can leave a thread a stack that was freed: the next signal then ends the process without a word."""
    before = signal_stack()
    yield
    assert signal_stack() == before


class Element:
    """An element of a page: its attributes, the elements inside it in order, and the text inside it."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.inside: list[Element] = []
        self.words = ""

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.inside if element.tag in tags]

    def of_class(self, name: str) -> list[Element]:
        return [element for element in self.inside if name in (element.attributes.get("class") or "").split()]

    @property
    def text(self) -> str:
        return " ".join(self.words.split())


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.root = self.current = Element("", {}, None)
        self.feed(html)
        assert self.current is self.root, f"<{self.current.tag}> is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, self.current)
        for outer in self._outward():
            outer.inside.append(element)
        if tag not in {"meta", "img", "source", "wbr", "br"}:
            self.current = element

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.current.tag, f"<{self.current.tag}> is closed by </{tag}>"
        assert self.current.parent is not None
        self.current = self.current.parent

    def handle_data(self, data: str) -> None:
        if self.current.tag not in {"style", "script"}:
            for outer in self._outward():
                outer.words += data

    def _outward(self) -> Iterator[Element]:
        element: Element | None = self.current
        while element is not None:
            yield element
            element = element.parent


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Element]:
    """Parses a page of a report and checks what every page must keep to."""

    def read(html: str) -> Element:
        page = _Reader(html).root
        ids = [element.attributes["id"] for element in page.inside if "id" in element.attributes]
        assert len(ids) == len(set(ids)), ids
        names = ("src", "srcset", "href", "data", "action")
        addresses = [
            element.attributes[name]
            for element in page.inside
            for name in names
            if name in element.attributes
        ]
        assert all(address.startswith(("data:", "#")) for address in addresses)
        assert not page.all("link", "iframe", "object", "base")
        _check_scripts(page, html)
        _check_contents(page, ids)
        for table in page.all("table"):
            assert table.attributes["aria-labelledby"] in ids
            assert all(cell.attributes["scope"] == "col" for cell in table.all("thead")[0].all("th"))
            for row in table.all("tbody")[0].all("tr"):
                assert row.inside[0].attributes.get("scope") == "row"
                assert len(row.all("th", "td")) == len(table.all("thead")[0].all("th"))
        for region in page.of_class("scroll"):
            assert region.attributes["role"] == "region"
            assert region.attributes["tabindex"] == "0"
            assert region.attributes["aria-labelledby"] in ids
        for figure in page.all("figure"):
            assert figure.all("figcaption")[0].text
        assert all(image.attributes["alt"] for image in page.all("img"))
        return page

    return read


def _check_scripts(page: Element, html: str) -> None:
    """The page's policy lets nothing in from outside, and of scripts only those that stand in it."""
    (policy,) = [meta.attributes["content"] for meta in page.all("meta") if "http-equiv" in meta.attributes]
    allowed = dict(part.split(None, 1) for part in policy.split("; "))
    assert (allowed["default-src"], allowed["img-src"]) == ("'none'", "data:")
    assert "unsafe-eval" not in policy
    contents = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents]
    assert allowed.get("script-src", "").split() == [f"'sha256-{digest}'" for digest in hashes]
    assert len(page.all("script")) == len(contents) + html.count('<script type="application/json"')
    outside = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "@import" not in outside
    assert "url(" not in outside


def _check_contents(page: Element, ids: list[str]) -> None:
    """The verdict comes first, then the contents, which lead to every section in order, then the sections."""
    parts = [element.tag for element in page.inside if element.tag in ("header", "nav", "main", "footer")]
    assert parts == ["header", "nav", "main", "footer"]
    assert page.all("header")[0].of_class("verdict")
    links = page.all("nav")[0].all("a")
    assert [link.text for link in links] == [heading.text for heading in page.all("h2")]
    assert [link.attributes["href"].removeprefix("#") for link in links] == [
        name for name in ids if name in {link.attributes["href"].removeprefix("#") for link in links}
    ]


SLOW_FIXTURES = {
    "bundle",
    "external_bundle",
    "flow_bundle",
    "digits_net",
    "server",
    "streaming_server",
    "live_server",
    "gateway",
    "ray_address",
}
"""Exports, a trained network and a server: the first test that asks for one waits seconds for it."""

LONGEST = (
    "attack/test_zoo.py",
    "test_families.py",
    "cli/test_export.py",
    "training/run/test_distributed.py",
    "docs/test_bring_your_own_model.py",
    "docs/test_tutorial.py",
    "training/test_loop.py",
    "test_package.py",
)
"""Files that take longest, longest first."""


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: the collector of garbage need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a slow fixture; the others that are slow carry the marker themselves.

    The longest files come first: one of them at the end would leave the other processes nothing to do.
    """
    tests = Path(__file__).parent
    rank = {tests / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell starts what it puts in the background deaf to Ctrl-C, and every process of the suite with it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def without_gpu() -> None:
    """For what is refused where there is no GPU: where there is one, nothing is refused."""
    from litho.errors import DeviceError, MissingExtra
    from litho.runners._cuda import find_device

    with contextlib.suppress(DeviceError, MissingExtra):
        find_device("rtx")
        pytest.skip("this machine has a GPU")


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny conditional GAN whose weights are random: pictures of noise, but real ones."""
    import torch

    from litho.training.models.base import family
    from litho.training.run.snapshot import save_snapshot

    torch.manual_seed(0)
    generator = family("cgan").generator(classes=10, width=8).eval()
    for weights in generator.parameters():
        if weights.ndim == 4:
            # Fresh weights paint everything in one grey, where two wrong pictures look alike.
            torch.nn.init.kaiming_normal_(weights)
    path = tmp_path_factory.mktemp("runs") / "tiny"
    save_snapshot(path, generator, family="cgan", preset="cgan-digits")
    return path


@pytest.fixture
def digits_run(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run of an untrained generator of digits of 8x8 pixels, which are classified eight times as fast.

    An evaluation trains two classifiers; the first is cached for this test run, apart from the user's.
    """
    from litho.training.models.base import family
    from litho.training.run.snapshot import save_snapshot

    monkeypatch.setenv("LITHO_CACHE", str(shared_folder(tmp_path_factory) / "cache"))
    generator = family("cgan").generator(classes=10, resolution=8, width=8).eval()
    path = tmp_path_factory.mktemp("runs") / "digits"
    save_snapshot(path, generator, family="cgan", preset="cgan-digits")
    return path


@pytest.fixture(scope="session")
def bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `run`: the FP32 graph with seed in and pixels out, proven."""
    from litho.export.build import export

    return made_once(tmp_path_factory, "tiny", lambda to: export(run, to=to / "tiny", timed=False)) / "tiny"


@pytest.fixture(scope="session")
def external_bundle(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `run` in FP32 and FP16, with the weights of every graph in a file beside it."""
    from litho.export.build import export

    def make(to: Path) -> object:
        return export(run, to=to / "tiny", precisions=["fp32", "fp16"], timed=False, external_data=True)

    return made_once(tmp_path_factory, "external", make) / "tiny"


@pytest.fixture(scope="session")
def flow_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a tiny text-to-image flow whose weights are random: three stages and a tokenizer."""
    from litho.training.run.snapshot import save_snapshot

    from .smallest import random_flow

    path = tmp_path_factory.mktemp("runs") / "flow"
    save_snapshot(path, random_flow(), family="flow", preset="flow-shapes")
    return path


@pytest.fixture(scope="session")
def flow_bundle(flow_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of `flow_run`: the FP32 graphs of its three stages, proven together."""
    from litho.export.build import export

    return (
        made_once(tmp_path_factory, "flow", lambda to: export(flow_run, to=to / "flow", timed=False)) / "flow"
    )


@pytest.fixture(scope="session")
def repository(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository that serves `bundle` as the model "tiny"."""
    from litho.bundle import Bundle
    from litho.serving.repository.deploy import deploy

    return deploy(Bundle.load(bundle), to=tmp_path_factory.mktemp("repository"), name="tiny").path.parent


@pytest.fixture(scope="session")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running server of `repository`, in its own environment, which is made where it is not yet."""
    from litho.serving.server.embedded import EmbeddedServer
    from litho.serving.server.environment import install

    install()
    with EmbeddedServer(repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


@contextlib.contextmanager
def standing_still(server: EmbeddedServer) -> Iterator[None]:
    """While the block runs, a server and its models do nothing: what is sent to them is under way."""
    os.killpg(server.process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.process_id, signal.SIGCONT)


@contextlib.contextmanager
def running_gateway(server: str, **settings: object) -> Iterator[Program]:
    """A gateway in a thread of its own, on a free port, before a server (grpc://HOST:PORT); `url` says where."""
    from litho.serving.gateway.program import Program
    from litho.serving.gateway.settings import GatewaySettings

    program = Program(GatewaySettings.model_validate({"server": server, "port": 0, **settings}))
    thread = threading.Thread(target=program.run, name="gateway")
    thread.start()
    try:
        assert program.wait(120)
        assert thread.is_alive(), "the gateway ended at once"
        yield program
    finally:
        program.stop()
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def gateway(server: EmbeddedServer) -> Iterator[Program]:
    """A running gateway before `server`, whose model is "tiny"."""
    with running_gateway(server.grpc_url) as program:
        yield program


@pytest.fixture(scope="session")
def streaming_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of `streaming_server`."""
    return tmp_path_factory.mktemp("streaming")


@pytest.fixture(scope="session")
def streaming_server(
    streaming_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer]:
    """A running server of the model `tests/streaming.py`: "sketch" answers in streams, "whole" does not.

    "both" has a candidate for half of the requests, which answers in streams; "changing" gets another version.
    "filled" and "larger", of `tests/echo.py`, take pictures.
    """
    from litho.serving.server.embedded import EmbeddedServer
    from litho.serving.server.environment import install

    from .echo import FILLED, LARGER, write_echo
    from .streaming import write_model

    write_echo(streaming_folder, "filled", FILLED)
    write_echo(streaming_folder, "larger", LARGER)
    write_model(streaming_folder)
    write_model(streaming_folder, "whole", decoupled=False)
    write_model(streaming_folder, "both", decoupled=False)
    write_model(streaming_folder, "changing", decoupled=False)
    write_model(streaming_folder, "both-canary", parameters={"litho_canary_share": "0.5"})
    install()
    with EmbeddedServer(streaming_folder, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


@pytest.fixture(scope="session")
def streaming_gateway(streaming_server: EmbeddedServer) -> Iterator[Program]:
    """A running gateway before `streaming_server`."""
    with running_gateway(streaming_server.grpc_url) as program:
        yield program


class S3:
    """A real S3 server on this machine, moto's; every caller gets a bucket of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count()

    def _send(self, method: str, path: str, content: bytes = b"") -> None:
        request = urllib.request.Request(f"{self.url}/{path}", data=content, method=method)
        request.add_header("Content-Type", "text/plain")
        with urllib.request.urlopen(request) as answer:
            answer.read()

    def bucket(self) -> str:
        """URL of a folder in a new, empty bucket."""
        name = f"bucket-{next(self._numbers)}"
        self._send("PUT", name)
        return f"s3://{name}/models"

    @contextlib.contextmanager
    def authenticated(self) -> Iterator[None]:
        """While the block runs, the server asks for credentials that it knows, and it knows none."""
        self._send("POST", "moto-api/reset-auth", b"0")
        try:
            yield
        finally:
            self._send("POST", "moto-api/reset-auth", b"inf")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, with its address and credentials in the environment, as a user has them."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return s3_server


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """The same rules for S3 and for a file system without conditions of its own."""
    from litho.object_store import ObjectStore

    if request.param == "s3":
        yield ObjectStore(request.getfixturevalue("s3").bucket())
        return
    opened = ObjectStore("memory://bucket/prefix")
    yield opened
    opened.delete(*opened.listed())


@contextlib.contextmanager
def held_port() -> Iterator[int]:
    """A port of this machine that the system gives to nobody else; a server that is told its number can have it."""
    with socket.socket() as held:
        # Whoever listens there has to set this, too, as servers do.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of this machine where nobody listens but who is told its number."""
    with held_port() as port:
        yield port


def wait_until(reached: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for what comes by itself, and fail where it does not."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def ray_address() -> Iterator[str]:
    """Address of a cluster of two nodes with one CPU each, for `tests/runners/_pools/litho_toys.py`.

    The second node, `lacking`, lacks what some of that work needs.
    """
    pytest.importorskip("ray")
    from litho.benchmarks.ray_cluster.nodes import Nodes

    lacking = {"node_name": "lacking", "env_vars": {"LITHO_TEST_LACKS": "1"}}
    toys = Path(__file__).parent / "runners" / "_pools"
    with Nodes([{"node_name": "complete"}, lacking], [toys]) as nodes:
        yield nodes.address
