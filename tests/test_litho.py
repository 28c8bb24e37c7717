"""The names at the top of the package: complete, typed, each with an example that runs."""

import ast
import asyncio
import doctest
import inspect
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import litho
from litho.bundle import Bundle
from litho.reporting import png
from litho.runners import open_runner
from litho.serving.provenance.audit_log import AuditLog, Event
from litho.serving.provenance.receipt import Origin
from litho.serving.provenance.stamping import Stamper

from .signers import make_keys

NAMES = [name for name in litho.__all__ if not name.startswith("_")]
NEED_SERVER = ("AsyncClient", "Client", "EmbeddedServer")
SLOW = (*NEED_SERVER, "train_model", "evaluate_model", "export_model", "bench_model")


def make_picture(folder: Path) -> None:
    """`picture.png`, as a gateway that serves the bundle makes it."""
    bundle = Bundle.load(folder / "bundles" / "digits")
    with open_runner(bundle) as runner:
        inputs = runner.signature.check({"seed": [7], "label": [3]})
        pixels = runner.run(inputs)["image"][0]
        origin = Origin(
            "digits", runner.variant, "same picture", bundle.manifest.checkpoint_sha256, precision="fp32"
        )
    stamped = Stamper().stamp(png(pixels), origin, inputs, pixels)
    (folder / "picture.png").write_bytes(stamped.content)


@pytest.fixture
def workspace(run: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that an example runs in, with a run and a bundle called digits."""
    shutil.copytree(run, tmp_path / "runs" / "digits")
    shutil.copytree(bundle, tmp_path / "bundles" / "digits")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def functions_of(name: str) -> list[tuple[str, Callable[..., object]]]:
    """A public function; or of a class the constructor and public methods that it defines."""
    value = getattr(litho, name)
    if not inspect.isclass(value):
        return [(name, value)]
    defined = [key for key in vars(value) if key == "__init__" or not key.startswith(("_", "model_"))]
    return [
        (f"{name}.{key}", getattr(value, key)) for key in defined if inspect.isroutine(getattr(value, key))
    ]


def test_all_lists_every_public_name() -> None:
    tree = ast.parse(Path(litho.__file__).read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert sorted(imported) == sorted(litho.__all__) == sorted(dir(litho))
    assert set(litho._LOCATIONS) == set(NAMES)
    assert all(name in (litho.__doc__ or "") for name in NAMES if name.endswith(("_model", "_images")))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'litho' has no attribute 'export_modle'"):
        litho.export_modle  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_and_result_has_a_type(name: str) -> None:
    for function, value in functions_of(name):
        signature = inspect.signature(value)
        assert signature.return_annotation is not inspect.Signature.empty, function
        for parameter in signature.parameters.values():
            assert parameter.name == "self" or parameter.annotation is not parameter.empty, function


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in NAMES]
)
def test_every_public_name_has_an_example_that_runs(
    name: str, workspace: Path, request: pytest.FixtureRequest
) -> None:
    text = getattr(litho, name).__doc__
    if name == "evaluate_model":
        shutil.copytree(
            request.getfixturevalue("digits_run"), workspace / "runs" / "digits", dirs_exist_ok=True
        )
    if name in NEED_SERVER:
        server = request.getfixturevalue("server")
        text = text.replace("grpc://127.0.0.1:8001/digits", f"{server.grpc_url}/tiny")
        litho.deploy_model("bundles/digits", to="models", name="digits")
    if "private.pem" in text:
        make_keys(workspace)
    if "picture.png" in text:
        make_picture(workspace)
    if "audit.jsonl" in text:
        AuditLog(workspace / "audit.jsonl").append(Event("deploy", {}), Event("request", {}))
    names = {"asyncio": asyncio} | {public: getattr(litho, public) for public in NAMES}
    example = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    assert example.examples, f"litho.{name} has no example"
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert not said, "".join(said)
