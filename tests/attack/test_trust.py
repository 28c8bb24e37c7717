"""Bundles that somebody changed, through the command line: each is refused in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.bundle.probes import PROBES_NAME
from litho.bundle.signing import SIGNATURE_NAME, SIGNER_NAME
from litho.serving.repository.versions import deployed

from ..cli.conftest import Command, Complaint
from ..serving.conftest import as_deployed_before
from ..signers import make_keys
from .forge import (
    flip,
    forge,
    one_probe,
    other_graph,
    probes_that_fit,
    same_probes,
    usual_probes_alone,
    with_verdict,
)

pytestmark = pytest.mark.slow

Keys = tuple[Path, Path]
Edit = Callable[[Path], object]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def signed(bundle: Path, keys: Keys, tmp_path: Path, litho_here: Command) -> Path:
    path = tmp_path / "signed"
    shutil.copytree(bundle, path)
    done = litho_here("sign", path, "--key", keys[0], "--json")
    assert json.loads(done.stdout)["path"] == str(path / SIGNATURE_NAME)
    return path


def graph_of(path: Path) -> Path:
    return path / Bundle.load(path).manifest.variants[0].file


def edit_text(path: Path, before: str, after: str) -> None:
    text = (path / "manifest.json").read_text()
    assert before in text
    (path / "manifest.json").write_text(text.replace(before, after, 1))


def add_text(file: Path, text: str) -> None:
    file.write_text(f"{file.read_text()}\n{text}\n")


def swap_verdict(path: Path) -> None:
    edit_text(path, '"status": "passed"', '"status": "failed"')


CHANGES: dict[str, tuple[Edit, str]] = {
    "a byte of the graph": (lambda path: flip(graph_of(path)), "generator.fp32.onnx has changed"),
    "a byte of the probes": (lambda path: flip(path / PROBES_NAME), "probes.safetensors has changed"),
    "a byte of the manifest": (lambda path: flip(path / "manifest.json"), "has changed since"),
    "a byte of the digital signature": (lambda path: flip(path / SIGNATURE_NAME), "has changed since"),
    "a swapped verdict": (swap_verdict, "has changed since"),
    "other weights": (
        lambda path: edit_text(path, '"checkpoint_sha256": "', '"checkpoint_sha256": "0'),
        "has changed since",
    ),
    "a missing digital signature": (lambda path: (path / SIGNATURE_NAME).unlink(), "is not signed"),
    "an empty digital signature": (lambda path: (path / SIGNATURE_NAME).write_bytes(b""), "has 0 bytes"),
    "another public key beside it": (
        lambda path: (path / SIGNER_NAME).write_text("x") and swap_verdict(path),
        "has changed since",
    ),
}
"""What somebody does to a signed bundle -> how, and words of the line that refuses it."""


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("verb", ["verify", "deploy"])
def test_a_signed_bundle_that_changed_is_refused(
    verb: str, change: str, signed: Path, keys: Keys, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    edit, words = CHANGES[change]
    edit(signed)
    option = {
        "verify": ("--key", keys[1]),
        "deploy": ("--require-signature", keys[1], "--to", tmp_path / "models"),
    }
    done = litho_here(verb, signed, *option[verb])
    assert done.returncode == 1
    assert words in error_of(done)
    assert not (tmp_path / "models").exists()


def test_an_untouched_signed_bundle_is_verified_deployed_and_described(
    signed: Path, keys: Keys, litho_here: Command, tmp_path: Path
) -> None:
    assert litho_here("verify", signed, "--key", keys[1]).returncode == 0
    done = litho_here(
        "deploy", signed, "--require-signature", keys[1], "--to", tmp_path / "models", "--name", "tiny"
    )
    assert done.returncode == 0, done.stderr
    assert "litho_public_key" in (tmp_path / "models" / "tiny" / "config.pbtxt").read_text()
    assert "signed, it says, with key " in litho_here("inspect", signed).stdout


@pytest.mark.parametrize("verb", ["verify", "deploy", "sign"])
def test_a_key_that_is_none_is_bad_usage(
    verb: str, signed: Path, keys: Keys, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    option = "--require-signature" if verb == "deploy" else "--key"
    wrong = keys[1] if verb == "sign" else keys[0]
    for key in (wrong, tmp_path / "none.pem", signed / "report.html"):
        done = litho_here(verb, signed, option, key)
        assert done.returncode == 2
        assert (
            "openssl" in error_of(done)
            or "comes with the bundle" in error_of(done)
            or "chmod" in error_of(done)
        )


def test_another_key_is_refused(
    signed: Path, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    _, other = make_keys(tmp_path / "other")
    for words in (("verify", signed, "--key", other), ("deploy", signed, "--require-signature", other)):
        done = litho_here(*words, cwd=tmp_path)
        assert done.returncode == 1
        assert "was not signed with key" in error_of(done)


def test_the_password_comes_from_the_environment(
    bundle: Path, litho_here: Command, error_of: Complaint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    private, public = make_keys(tmp_path, "-algorithm", "ed25519", "-aes256", "-pass", "pass:horse")
    done = litho_here("sign", path, "--key", private)
    assert done.returncode == 2
    assert "LITHO_KEY_PASSWORD" in error_of(done)
    monkeypatch.setenv("LITHO_KEY_PASSWORD", "horse")
    assert litho_here("sign", path, "--key", private).returncode == 0
    assert litho_here("verify", path, "--key", public).returncode == 0


def test_an_export_over_a_signed_bundle_leaves_no_digital_signature(
    run: Path, signed: Path, litho_here: Command
) -> None:
    assert litho_here("export", run, "--to", signed, "--no-timing", "--precision", "fp16").returncode == 0
    assert not (signed / SIGNATURE_NAME).exists()
    assert "not signed" in litho_here("inspect", signed).stdout


SERVED: dict[str, tuple[Edit, str]] = {
    "nothing signed": (lambda model: shutil.rmtree(model / "1" / "bundle" / "signed"), "is not signed"),
    "a byte of the graph": (lambda model: flip(graph_of(model / "1" / "bundle")), "has changed"),
    "another verdict": (
        lambda model: edit_text(model / "1" / "bundle", '"name": "', '"name": "x'),
        "is not a part of",
    ),
    "a program for backend python": (
        lambda model: as_deployed_before(model, "import os"),
        "model.py is not litho's own",
    ),
    "a library of the version": (
        lambda model: (model / "1" / "libtriton_litho.so").write_text("other"),
        "was not written by litho",
    ),
    "a library of the model": (
        lambda model: (model / "libtriton_litho.so").write_text("other"),
        "was not written by litho",
    ),
    "another program in the configuration": (
        lambda model: add_text(model / "config.pbtxt", 'runtime: "other.py"'),
        "chooses the program",
    ),
    "a parameter that runs other code": (
        lambda model: add_text(
            model / "config.pbtxt",
            'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/tmp/other.tar.gz" } }',
        ),
        "sets 'EXECUTION_ENV_PATH'",
    ),
    "another variant in the configuration": (
        lambda model: add_text(
            model / "config.pbtxt", 'parameters { key: "litho_variant" value { string_value: "other" } }'
        ),
        "describes another generator",
    ),
}
"""What somebody does to a deployment -> how, and words of the line by which `litho serve` refuses it."""


@pytest.mark.parametrize("change", SERVED)
def test_a_server_that_requires_a_key_refuses_a_deployment_that_changed(
    change: str, signed: Path, keys: Keys, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    edit, words = SERVED[change]
    assert litho_here("deploy", signed, "--to", tmp_path / "models", "--name", "tiny").returncode == 0
    edit(tmp_path / "models" / "tiny")
    done = litho_here("serve", tmp_path / "models", "--require-signature", keys[1])
    assert done.returncode == 1
    assert words in error_of(done)


def test_a_server_that_requires_a_key_refuses_what_checks_none(
    signed: Path, keys: Keys, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    deploy = ("deploy", signed, "--require-signature", keys[1], "--to", models)
    assert litho_here(*deploy, "--flavour", "onnxruntime").returncode == 0
    done = litho_here("serve", models, "--require-signature", keys[1])
    assert done.returncode == 1
    assert "checks no digital signature" in error_of(done)


def test_a_verdict_that_was_edited_does_not_deploy_a_graph_that_fails(
    bundle: Path, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    forged = forge(bundle, tmp_path / "forged", other_graph(bundle))  # its verdict still says "passed"
    done = litho_here("deploy", forged, "--to", tmp_path / "models")
    assert done.returncode == 1
    assert "fails here, although the manifest says that it passed" in error_of(done)
    assert not list((tmp_path / "models").glob("*/"))
    insisted = ("--accept-failed", "generator.fp32.onnx")
    assert (
        litho_here("deploy", forged, "--to", tmp_path / "models", "--name", "tiny", *insisted).returncode == 0
    )
    served = deployed(tmp_path / "models", "tiny")
    assert served is not None
    assert served.served.accepted_failed


def graph_and_probes(bundle: Path, to: Path) -> Path:
    forged = forge(bundle, to.with_name("half"), other_graph(bundle))
    return forge(forged, to, probes_that_fit(forged))


def edited_verdict(bundle: Path, to: Path) -> Path:
    (variant, *_) = Bundle.load(bundle).manifest.variants
    figures = tuple(
        figure.model_copy(update={"value": 255.0, "at_most": 1.0}) for figure in variant.verdict.figures
    )
    return forge(bundle, to, variants=with_verdict(bundle, figures=figures))


FORGED: dict[str, tuple[Callable[[Path, Path], Path], str]] = {
    "graph and probes together": (graph_and_probes, "are not what PyTorch makes of its inputs"),
    "the graph alone": (
        lambda bundle, to: forge(bundle, to, other_graph(bundle)),
        "does not give the same pictures",
    ),
    "the probes alone": (
        lambda bundle, to: forge(
            bundle, to, probes_that_fit(forge(bundle, to.with_name("x"), other_graph(bundle)))
        ),
        "are not what PyTorch makes of its inputs",
    ),
    "a bank cut to one probe": (
        lambda bundle, to: forge(bundle, to, one_probe(bundle)),
        "has 1 usual probes, every litho makes 64",
    ),
    "further banks left out": (
        lambda bundle, to: forge(bundle, to, usual_probes_alone(bundle)),
        "has no bank of probes 'seeds'",
    ),
    "all probes the same": (
        lambda bundle, to: forge(bundle, to, same_probes(bundle)),
        "has other values of 'seed' than its signature asks for",
    ),
    "weights of zeros": (
        lambda bundle, to: forge(bundle, to, checkpoint_sha256="0" * 64),
        "was made from weights 000000000000",
    ),
    "a verdict that its figures contradict": (edited_verdict, "is outside the limit"),
    "a verdict without figures": (
        lambda bundle, to: forge(bundle, to, variants=with_verdict(bundle, figures=())),
        "has no figures",
    ),
}
"""Bundles whose every hash is right -> how they are made, and words of the line by which `--against` refuses them."""


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_bundle_is_refused_against_its_run(
    forgery: str, bundle: Path, run: Path, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    make, words = FORGED[forgery]
    done = litho_here("verify", make(bundle, tmp_path / "forged"), "--against", run)
    assert done.returncode == 1
    assert words in error_of(done)


@pytest.mark.parametrize("forgery", sorted(set(FORGED) - {"graph and probes together", "weights of zeros"}))
@pytest.mark.parametrize("verb", ["verify", "deploy"])
def test_most_forgeries_need_no_run_to_be_refused(
    verb: str, forgery: str, bundle: Path, litho_here: Command, error_of: Complaint, tmp_path: Path
) -> None:
    done = litho_here(verb, FORGED[forgery][0](bundle, tmp_path / "forged"), cwd=tmp_path)
    assert done.returncode == 1
    assert error_of(done)


def test_two_proofs_at_once_are_refused(
    bundle: Path, run: Path, litho_here: Command, error_of: Complaint
) -> None:
    done = litho_here("verify", bundle, "--against", run, "--endpoint", "grpc://127.0.0.1:9/x")
    assert (done.returncode, "give one of them" in error_of(done)) == (2, True)
    done = litho_here("verify", bundle, "--weights", run / "snapshot.safetensors")
    assert (done.returncode, "add --against" in error_of(done)) == (2, True)


def test_a_bundle_from_before_the_rules_is_verified_and_deployed_with_a_remark(
    bundle: Path, litho_here: Command, tmp_path: Path
) -> None:
    loaded = Bundle.load(bundle)
    environment = {name: value for name, value in loaded.manifest.environment.items() if name != "probes"}
    old = forge(bundle, tmp_path / "old", usual_probes_alone(bundle), environment=environment)
    for words in (("verify", old), ("deploy", old, "--to", tmp_path / "models")):
        done = litho_here(*words)
        assert done.returncode == 0, done.stderr
        assert "made by older rules" in done.stderr
