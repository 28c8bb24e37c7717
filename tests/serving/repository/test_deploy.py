import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from litho.bundle import Bundle, create_bundle, sign_bundle
from litho.bundle.manifest import FileRecord, Verdict
from litho.bundle.probes import PROBES_NAME
from litho.errors import DeployError, LithoError, UnknownName, UsageError
from litho.files import locked
from litho.runners import open_runner
from litho.serving.configuration.model_config import parse_config
from litho.serving.configuration.settings import ServingSettings
from litho.serving.repository.deploy import deploy
from litho.serving.repository.operations import rollback
from litho.serving.repository.versions import check_version, deployed
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

from ...signers import make_keys
from ..conftest import Make, as_deployed_before

FAILED = {"verdict": Verdict(status="failed", reason="PSNR 12.0 dB is below 40.0").model_dump()}


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """The disk is full from this size on: the kernel refuses the write, as it does where no space is left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_deployment_of_flavour_litho_holds_a_bundle_that_verifies(bundle: Path, tmp_path: Path) -> None:
    deployment = deploy(Bundle.load(bundle), to=tmp_path)
    assert (deployment.path, deployment.version) == (tmp_path / "tiny", 1)
    version = deployment.path / "1"
    assert sorted(path.name for path in version.iterdir()) == ["bundle", "config.pbtxt", "warmup"]
    inner = Bundle.load(version / "bundle")
    (variant,) = inner.manifest.variants
    assert set(inner.manifest.files) == {variant.file, PROBES_NAME}
    assert inner.manifest.checkpoint_sha256 == Bundle.load(bundle).manifest.checkpoint_sha256
    with open_runner(inner) as runner:
        assert runner.run({"seed": [1], "label": [2]})["image"].any()
    assert (deployment.path / "config.pbtxt").read_bytes() == (version / "config.pbtxt").read_bytes()
    assert all(path.stat().st_nlink == 1 for path in version.rglob("*") if path.is_file())


def test_a_deployment_of_flavour_onnxruntime_is_the_graph_and_its_hash(bundle: Path, tmp_path: Path) -> None:
    loaded = Bundle.load(bundle)
    deployment = deploy(loaded, to=tmp_path, name="digits", flavour="onnxruntime")
    version = deployment.path / "1"
    names = ["config.pbtxt", "model.onnx", "record.json", "warmup"]
    assert sorted(path.name for path in version.iterdir()) == names
    graph = loaded.variant(deployment.served.variant).file
    assert (version / "model.onnx").read_bytes() == loaded.read(graph)
    assert deployed(tmp_path, "digits") == deployment
    assert repr(deployment) == f"<Deployment {tmp_path}/digits, version 1, variant generator.fp32.onnx>"


@pytest.mark.parametrize("flavour", ["litho", "onnxruntime"])
def test_weights_beside_a_graph_are_deployed_with_it_and_checked(
    flavour: str, external_bundle: Path, tmp_path: Path
) -> None:
    deployment = deploy(external_bundle, to=tmp_path, name="digits", flavour=flavour)
    version = deployment.path / "1"
    (weights,) = version.rglob("*.data")
    if flavour == "onnxruntime":  # where Triton's own backend reads a graph by its path
        assert {weights.name, "model.onnx"} <= {path.name for path in version.iterdir()}
        session = onnxruntime.InferenceSession(version / "model.onnx", providers=["CPUExecutionProvider"])
        (image,) = session.run(["image"], {"seed": [7], "label": [3], "truncation": np.ones(1, np.float32)})
        with open_runner(external_bundle) as runner:
            np.testing.assert_array_equal(image, runner.generate(seed=7, label=3))
    check_version(deployment.path, 1)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DeployError, match=f"{weights.name} has changed"):
        check_version(deployment.path, 1)


def test_a_server_runs_a_graph_with_its_weights_beside_it(external_bundle: Path, tmp_path: Path) -> None:
    deploy(
        external_bundle, to=tmp_path / "repository", name="digits", variant="fp16", settings={"warm_up": True}
    )
    install()
    with (
        EmbeddedServer(tmp_path / "repository", log=tmp_path / "server.log") as server,
        open_runner(f"{server.grpc_url}/digits") as served,
        open_runner(external_bundle, "fp16") as here,
    ):
        fields = {"seed": range(8), "label": range(8)}
        np.testing.assert_array_equal(served.generate(**fields), here.generate(**fields))


def test_each_deployment_is_the_next_version_and_the_ones_before_stay(
    variant_of: Make, tmp_path: Path
) -> None:
    first = deploy(variant_of("first"), to=tmp_path, name="digits")
    before = everything(first.path / "1")
    second = deploy(variant_of("second"), to=tmp_path, name="digits")
    assert second.version == 2
    assert everything(first.path / "1") == before
    config = parse_config((second.path / "config.pbtxt").read_text())
    assert list(config.version_policy.specific.versions) == [2]
    assert deployed(tmp_path, "digits") == second


@pytest.mark.parametrize("flavour", ["litho", "onnxruntime"])
def test_the_same_deployment_again_writes_nothing(flavour: str, bundle: Path, tmp_path: Path) -> None:
    first = deploy(Bundle.load(bundle), to=tmp_path, flavour=flavour)
    before = everything(tmp_path)
    assert deploy(Bundle.load(bundle), to=tmp_path, flavour=flavour) == first
    assert everything(tmp_path) == before


@pytest.mark.parametrize("what", ["settings", "flavour", "graph"])
def test_what_differs_in_anything_is_deployed_anew(what: str, bundle: Path, tmp_path: Path) -> None:
    first = deploy(Bundle.load(bundle), to=tmp_path)
    settings = ServingSettings(max_batch_size=7) if what == "settings" else None
    if what == "flavour":
        as_deployed_before(first.path)
    if what == "graph":
        (graph,) = (first.path / "1" / "bundle").glob("*/*.onnx")
        graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    assert deploy(Bundle.load(bundle), to=tmp_path, settings=settings).version == 2


def test_rollback_walks_back_and_a_new_deployment_never_reuses_a_number(
    variant_of: Make, tmp_path: Path
) -> None:
    deployments = [deploy(variant_of(name), to=tmp_path, name="digits") for name in ("a", "b", "c")]
    assert rollback(tmp_path, "digits").version == 2
    assert deployed(tmp_path, "digits") == deployments[1]
    assert rollback(tmp_path, "digits").version == 1
    assert deployed(tmp_path, "digits") == deployments[0]
    with pytest.raises(DeployError, match="no version before 1"):
        rollback(tmp_path, "digits")
    assert deploy(variant_of("d"), to=tmp_path, name="digits").version == 4
    assert rollback(tmp_path, "digits").version == 3


def test_a_variant_that_failed_its_gate_is_refused_unless_it_is_named(
    variant_of: Make, tmp_path: Path
) -> None:
    failed = variant_of("failed", variant=FAILED)
    (variant,) = failed.manifest.variants
    with pytest.raises(DeployError, match=r"PSNR 12\.0 dB.*--accept-failed") as refused:
        deploy(failed, to=tmp_path / "repository", variant=variant.name)
    assert "\n" not in str(refused.value)
    with pytest.raises(LithoError, match="passed its gate"):
        deploy(failed, to=tmp_path / "repository")
    assert not any((tmp_path / "repository").glob("*"))
    accepted = deploy(failed, to=tmp_path / "repository", variant=variant.name, accept_failed=[variant.name])
    assert accepted.served.accepted_failed
    inner = Bundle.load(accepted.path / "1" / "bundle")
    assert inner.manifest.variants[0].verdict.status == "failed"


INT8 = {"name": "generator.int8.onnx", "precision": "int8", "grade": "same distribution"}


def test_a_weaker_promise_is_served_only_where_it_was_asked_for(variant_of: Make, tmp_path: Path) -> None:
    bundle = variant_of("weak", variant=INT8)
    for named in (None, "generator.int8.onnx"):
        with pytest.raises(DeployError) as refused:
            deploy(bundle, to=tmp_path / "repository", variant=named)
        assert str(refused.value) == (
            "generator.int8.onnx promises the same distribution as PyTorch, not the same picture; deploy another"
            " variant, or ask for it with --grade same-distribution"
        )
    assert not any((tmp_path / "repository").glob("*"))
    asked = deploy(bundle, to=tmp_path / "repository", grade="same distribution")
    assert asked.served.variant == "generator.int8.onnx"
    assert asked.served.grade == "same distribution"
    assert deployed(tmp_path / "repository", "weak") == asked
    with pytest.raises(
        UnknownName, match="unknown grade 'same-distribution'; did you mean 'same distribution'"
    ):
        deploy(bundle, to=tmp_path / "repository", grade="same-distribution")  # pyright: ignore[reportArgumentType]


def test_the_default_is_the_first_variant_that_promises_the_same_picture(
    variant_of: Make, tmp_path: Path
) -> None:
    bundle = variant_of("both", variant=INT8, others=[{}])
    strict = deploy(bundle, to=tmp_path / "repository")
    assert (strict.served.variant, strict.served.grade) == ("generator.fp32.onnx", "same picture")
    weaker = deploy(bundle, to=tmp_path / "repository", grade="same distribution")
    assert weaker.served.variant == "generator.int8.onnx"


def test_a_bundle_that_claims_the_same_picture_of_int8_is_not_believed(
    variant_of: Make, tmp_path: Path
) -> None:
    for precision in ("int8", "int9"):
        claimed = variant_of(
            f"claims-{precision}", variant={**INT8, "precision": precision, "grade": "same picture"}
        )
        with pytest.raises(DeployError, match="promises the same distribution"):
            deploy(claimed, to=tmp_path / "repository")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"variant": "generator.fp64"}, UnknownName),
        ({"accept_failed": ["generator.fp64"]}, UnknownName),
        ({"flavour": "pytorch"}, UnknownName),
        ({"name": "../digits"}, UsageError),
        ({"name": ""}, UsageError),
        ({"name": ".hidden"}, UsageError),
        ({"settings": ServingSettings(max_batch_size=10_000)}, UsageError),
    ],
)
def test_what_cannot_be_deployed_leaves_no_model(
    arguments: dict[str, Any], error: type[LithoError], bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(error) as refused:
        deploy(Bundle.load(bundle), to=tmp_path / "repository", **arguments)
    assert "\n" not in str(refused.value)
    assert not [path for path in (tmp_path / "repository").glob("*") if path.is_dir()]


@pytest.mark.parametrize("size_bytes", [100, 20_000])
def test_a_full_disk_leaves_the_version_before_serving(
    size_bytes: int, variant_of: Make, tmp_path: Path
) -> None:
    deploy(variant_of("first"), to=tmp_path, name="digits")
    second = variant_of("second")
    before = everything(tmp_path)
    with (
        no_file_larger_than(size_bytes),
        pytest.raises(DeployError, match="version 1 is still served") as refused,
    ):
        deploy(second, to=tmp_path, name="digits")
    assert "\n" not in str(refused.value)
    assert everything(tmp_path) == before
    assert deploy(second, to=tmp_path, name="digits").version == 2


def test_a_full_disk_at_the_first_deployment_leaves_nothing_that_a_server_would_trip_over(
    bundle: Path, tmp_path: Path
) -> None:
    loaded = Bundle.load(bundle)
    with no_file_larger_than(100), pytest.raises(DeployError, match="nothing is served"):
        deploy(loaded, to=tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_place_that_cannot_be_a_repository_is_told_in_one_line(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeployError, match="cannot write") as refused:
        deploy(Bundle.load(bundle), to=tmp_path / "file")
    assert "\n" not in str(refused.value)


def test_two_writers_of_one_model_do_not_meet(bundle: Path, tmp_path: Path) -> None:
    with locked(tmp_path / ".tiny.lock", LithoError()), pytest.raises(DeployError, match="another process"):
        deploy(Bundle.load(bundle), to=tmp_path)


@pytest.mark.parametrize("text", ['name: "digits"\n', "this is no configuration {", 'backend: "python"\n'])
def test_a_model_of_somebody_else_is_not_touched(text: str, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.pbtxt").write_text(text)
    for attempt in (lambda: deploy(Bundle.load(bundle), to=tmp_path), lambda: rollback(tmp_path, "tiny")):
        with pytest.raises(DeployError, match="not deployed by litho"):
            attempt()
    assert everything(tmp_path / "tiny") == {"config.pbtxt": text.encode()}


def test_a_model_is_not_written_into_a_bundle(bundle: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(bundle, tmp_path / "bundles" / "tiny")
    before = everything(mine)
    with pytest.raises(UsageError, match=r"bundles/tiny' is a bundle.*give another --to, or a --name"):
        deploy(mine, to=tmp_path / "bundles")
    assert everything(mine) == before


def test_rolling_back_what_is_not_there_names_what_is(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="not a model repository"):
        rollback(tmp_path, "tiny")
    deploy(Bundle.load(bundle), to=tmp_path)
    with pytest.raises(UnknownName, match="known: tiny"):
        rollback(tmp_path, "tinny")
    assert deployed(tmp_path, "tinny") is None


GRAPHS = [f"{stage}.fp32.onnx" for stage in ("text_encoder", "denoiser", "decoder")]


@pytest.fixture
def changed(flow_bundle: Path, tmp_path: Path) -> Make:
    """Makes bundles of the tiny flow's files, one of them or the denoiser's verdict changed."""

    def make(verdict: Verdict | None = None, **files: bytes) -> Bundle:
        original = Bundle.load(flow_bundle)
        variants = [
            variant.model_copy(update={"verdict": verdict})
            if verdict and variant.stage == "denoiser"
            else variant
            for variant in original.manifest.variants
        ]
        with create_bundle(tmp_path / "flow") as writer:
            for file in original.manifest.files:
                writer.add(file, files.get(Path(file).stem, original.read(file)))
            fields = original.manifest.model_dump(exclude={"files", "variants", "schema_version"})
            writer.finish(**fields, variants=tuple(variants))
        return Bundle.load(tmp_path / "flow")

    return make


def test_a_deployment_holds_a_graph_of_each_stage_and_the_tokenizer(
    flow_bundle: Path, tmp_path: Path
) -> None:
    deployment = deploy(Bundle.load(flow_bundle), to=tmp_path)
    assert deployment.served.variant == ",".join(GRAPHS)
    inner = Bundle.load(deployment.path / "1" / "bundle")
    assert set(inner.manifest.files) == {
        *(f"graphs/{graph}" for graph in GRAPHS),
        "tokenizer.json",
        PROBES_NAME,
    }
    with open_runner(inner) as runner:
        assert runner.signature == deployment.served.signature
        assert runner.run({"seed": 1, "prompt": "a circle"})["image"].any()


def test_the_same_again_writes_nothing_and_another_tokenizer_is_deployed_anew(
    flow_bundle: Path, changed: Make, tmp_path: Path
) -> None:
    first = deploy(Bundle.load(flow_bundle), to=tmp_path / "repository")
    assert deploy(Bundle.load(flow_bundle), to=tmp_path / "repository") == first
    tokenizer = (flow_bundle / "tokenizer.json").read_bytes()
    other = changed(tokenizer=tokenizer + b"\n")
    assert other.manifest.files["tokenizer.json"] != FileRecord.of(tokenizer)
    assert deploy(other, to=tmp_path / "repository").version == 2


def test_a_stage_that_did_not_pass_keeps_the_whole_from_being_deployed(changed: Make, tmp_path: Path) -> None:
    failed = changed(Verdict(status="failed", reason="too dark"))
    with pytest.raises(DeployError, match=r"denoiser.*too dark.*--accept-failed denoiser\.fp32\.onnx"):
        deploy(failed, to=tmp_path / "repository", variant=GRAPHS[1])
    insisted = deploy(failed, to=tmp_path / "repository", variant=GRAPHS[1], accept_failed=[GRAPHS[1]])
    assert insisted.served.accepted_failed


def test_several_stages_are_no_model_for_the_onnxruntime_backend(flow_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"3 stages .* deploy it with flavour 'litho'") as refused:
        deploy(Bundle.load(flow_bundle), to=tmp_path, flavour="onnxruntime")
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.glob("flow/*"))


def test_a_bundle_that_was_signed_since_is_deployed_anew(bundle: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    path = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    deploy(path, to=tmp_path / "models", name="tiny")
    sign_bundle(path, key=private)
    second = deploy(path, to=tmp_path / "models", name="tiny")
    assert second.version == 2
    assert Bundle.load(second.path / "2" / "bundle", key=public)
    assert deploy(path, to=tmp_path / "models", name="tiny") == second
    third = deploy(path, to=tmp_path / "models", name="tiny", require_signature=public)
    assert third.version == 3
    assert deploy(Bundle.load(path), to=tmp_path / "models", name="tiny", require_signature=public) == third


def test_a_deployment_of_a_signed_one_is_signed(bundle: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    path = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    sign_bundle(path, key=private)
    first = deploy(path, to=tmp_path / "models", name="tiny")
    again = deploy(first.path / "1" / "bundle", to=tmp_path / "others", require_signature=public)
    assert Bundle.load(again.path / "1" / "bundle", key=public)


@pytest.mark.slow
def test_the_onnxruntime_flavour_takes_no_graph_for_openvino(both: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="onnxruntime"):
        deploy(
            both,
            to=tmp_path,
            name="tiny",
            variant="generator.bf16.openvino.onnx",
            flavour="onnxruntime",
        )
