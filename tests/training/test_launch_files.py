"""The launch files of `deploy/training`: Kubernetes, torchrun, Accelerate and litho take them as they are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from torch.distributed.run import get_args_parser

import litho
from litho.cli.base import app
from litho.training.presets import resolve
from litho.training.run.distributed import micro_batches

from ..serving.manifests.conftest import check_strictly

FILES = Path(litho.__file__).parent / "deploy/training"
VERSIONS = ("1.31", "1.35")
ARGUMENTS = ["flow-emoji", "--run", "/shared/run", "--parallel", "fsdp"]


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((FILES / name).read_text())


def checked(words: list[str], processes: int) -> Any:
    """What torchrun makes of its words, after litho has taken its own."""
    assert words[0] == "torchrun"
    launch = get_args_parser().parse_args(words[1:])
    assert launch.module
    assert launch.training_script == "litho"
    context = typer.main.get_command(app).make_context("litho", launch.training_script_args)
    with context:
        verb = context.command.get_command(context, "train")
        given = verb.make_context("train", launch.training_script_args[1:], parent=context).params
    recipe = resolve(given["preset"], budget=given["budget"] or "gpu")
    assert given["parallel"] == "fsdp"
    for rank in range(processes):
        micro_batches(recipe.batch, rank, processes, given["micro_batch"] or 0)
    return launch


def run_script(name: str, folder: Path, programs: dict[str, str], **variables: str) -> list[str]:
    """The words that a script starts torchrun with; stand-ins write down what real ones would get."""
    for program, body in programs.items():
        (folder / program).write_text(f"#!/bin/sh\n{body}\n")
        (folder / program).chmod(0o755)
    seen = folder / "seen"
    path = f"{folder}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", str(FILES / name), *ARGUMENTS],
        env={"PATH": path, "SEEN": str(seen), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return seen.read_text().splitlines()


WRITE = 'printf "%s\\n" "$@" > "$SEEN"'


def test_all_gpus_of_a_machine(tmp_path: Path) -> None:
    words = run_script("one-machine.sh", tmp_path, {"torchrun": WRITE})
    launch = checked(["torchrun", *words], 8)
    assert (launch.standalone, launch.nproc_per_node, launch.max_restarts) == (True, "gpu", 3)


def test_nodes_of_slurm_meet_at_the_first(tmp_path: Path) -> None:
    words = run_script(
        "slurm.sbatch",
        tmp_path,
        {"srun": WRITE, "scontrol": "echo node07; echo node08"},
        SLURM_JOB_NODELIST="node[07-08]",
        SLURM_JOB_NUM_NODES="2",
        SLURM_GPUS_PER_NODE="4",
        SLURM_CPUS_PER_TASK="32",
        SLURM_JOB_ID="77",
    )
    launch = checked(words[words.index("torchrun") :], 8)
    assert (launch.nnodes, launch.nproc_per_node, launch.max_restarts) == ("2", "4", 3)
    assert (launch.rdzv_endpoint, launch.rdzv_backend, launch.rdzv_id) == ("node07:29500", "c10d", "77-0")
    options = [
        line.split(" ", 1)[1]
        for line in (FILES / "slurm.sbatch").read_text().splitlines()
        if "#SBATCH" in line
    ]
    assert "--signal=TERM@120" in options
    assert "--requeue" in options


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ["pytorchjob.yaml", "trainjob.yaml"])
def test_kubernetes_takes_both_jobs_field_by_field(name: str, version: str) -> None:
    found = read(name)
    check_strictly(found, version)
    if found["kind"] == "PyTorchJob":
        check_strictly({"apiVersion": "v1", "kind": "Pod", **pytorch_pod(found)}, version)


def pytorch_pod(job: dict[str, Any]) -> dict[str, Any]:
    return job["spec"]["pytorchReplicaSpecs"]["Worker"]["template"]


def test_a_pytorchjob_starts_a_training_that_all_its_sizes_can_share() -> None:
    spec = read("pytorchjob.yaml")["spec"]
    (container,) = pytorch_pod({"spec": spec})["spec"]["containers"]
    assert container["name"] == "pytorch", "the operator looks for this name"
    for workers in range(spec["elasticPolicy"]["minReplicas"], spec["elasticPolicy"]["maxReplicas"] + 1):
        checked([*container["command"], *container["args"]], workers * int(spec["nprocPerNode"]))


def test_a_trainjob_starts_the_same_training() -> None:
    spec, (container,) = (
        read("trainjob.yaml")["spec"],
        pytorch_pod(read("pytorchjob.yaml"))["spec"]["containers"],
    )
    trainer = spec["trainer"]
    checked([*trainer["command"], *trainer["args"]], trainer["numNodes"] * trainer["numProcPerNode"])
    assert (trainer["args"], trainer["env"]) == (container["args"], container["env"])
    patched = spec["runtimePatches"][0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"][0]
    pod, other = (
        patched["template"]["spec"]["template"]["spec"],
        pytorch_pod(read("pytorchjob.yaml"))["spec"],
    )
    assert all(
        pod[key] == other[key] for key in ("securityContext", "volumes", "terminationGracePeriodSeconds")
    )
    assert pod["containers"][0]["securityContext"] == container["securityContext"]


@pytest.mark.parametrize("name", ["pytorchjob.yaml", "trainjob.yaml"])
def test_a_wrong_field_of_a_job_is_found(name: str) -> None:
    import jsonschema

    found = read(name)
    found["spec"]["nprocPerNodes"] = "1"
    with pytest.raises(jsonschema.ValidationError, match="nprocPerNodes"):
        check_strictly(found, VERSIONS[0])


def test_accelerate_reads_its_configuration() -> None:
    config_args = pytest.importorskip("accelerate.commands.config.config_args")
    config = config_args.load_config_from_file(os.fspath(FILES / "accelerate.yaml"))
    assert (config.num_processes, config.num_machines, config.mixed_precision) == (4, 1, "no")
