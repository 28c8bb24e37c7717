"""Streams of pictures against data in memory: `python -m litho.benchmarks.streaming BUNDLE`.

Makes shards with the bundle, reads them from memory, disk and an S3 server on this machine, trains on them, kills a
training on the S3 server several times, and cuts a pass of three libraries. Written to `results/streaming.json`.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

from ...bundle.json_documents import parse_json
from ...errors import LithoError
from ...extras import require
from ...object_store import ObjectStore
from ...serving.generation.shards import generate_shards
from ...training.data.batches import Share
from ...training.data.sources import load
from ...training.run.snapshot import load_snapshot
from ..shared.command import RESULTS, Output, errors_of, finish
from ..shared.machine import describe_machine
from .documents import Killed, Speed, Streaming, Trained, table
from .resumes import resumes

__all__ = ["main", "measure", "read_speed"]

RESULT = RESULTS / "streaming.json"
BATCH, SHUFFLE = 64, 2_048
PRESET = "cgan-digits"
_TRAINING = {"batch": "64", "width": "16", "discriminator_width": "16", "shuffle_nimg": str(SHUFFLE)}


def read_speed(way: str, data: str, seconds: float) -> Speed:
    """Read batches in this process for some seconds; run it in a process of its own, whose memory nobody used."""
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory counts from now on, see proc(5)
    before, start = _memory("VmRSS"), time.monotonic()
    batches = load(data).split()[0].batches(Share(0, BATCH, slice(None), shuffle_nimg=SHUFFLE))
    batches.at(0)
    first = time.monotonic()
    step = 1
    while (now := time.monotonic()) < first + seconds:
        batches.at(step)
        step += 1
    batches.close()
    return Speed(
        way=way,
        first_batch_seconds=round(first - start, 3),
        images_per_second=round((step - 1) * BATCH / (now - first), 1),
        memory_bytes=_memory("VmHWM") - before,
    )


def _memory(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


def _speeds(forms: dict[str, str], seconds: float) -> Iterator[Speed]:
    for way, data in forms.items():
        typer.echo(f"reading from {way}", err=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(read_speed, way, data, 0.1).result()  # makes the index
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            yield pool.submit(read_speed, way, data, seconds).result()


def _command(data: str, run: Path, nimg: int) -> list[str]:
    keys = {**_TRAINING, "nimg": nimg, "checkpoint_nimg": 512, "stats_nimg": 512, "sample_nimg": nimg}
    options = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "litho", "train", PRESET, "--run", str(run), "--data", data]
    return [*command, "--budget", "cpu", *options]


def _train(data: str, run: Path, nimg: int) -> float:
    """Train to the end; images per second, the median of the lines of statistics."""
    done = subprocess.run(_command(data, run, nimg), capture_output=True, text=True, check=False)
    if done.returncode:
        raise LithoError(f"training on {data} failed: {done.stderr.strip().splitlines()[-1:]}")
    lines = (run / "stats.jsonl").read_text().splitlines()
    speeds = sorted(parse_json(line)["images_per_second"] for line in lines[1:] or lines)
    return speeds[len(speeds) // 2]


def _killed(data: str, run: Path, whole: Path, nimg: int, kills: int) -> Killed:
    """Kill a training after each further checkpoint, let it end, and compare its weights."""
    moments = random.Random(0)
    checkpoint = run / "checkpoint" / "state.pt"
    done = 0
    for _ in range(kills):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            _command(data, run, nimg), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                time.sleep(moments.uniform(0, 0.5))
                process.kill()
                done += process.wait() < 0
                break
            time.sleep(0.02)
    _train(data, run, nimg)
    first, second = (load_snapshot(one).weights for one in (run, whole))
    same = first.keys() == second.keys() and all(bool((first[name] == second[name]).all()) for name in first)
    return Killed(way="an S3 server", kills=done, same=same)


@contextmanager
def _s3(folder: Path) -> Iterator[str]:
    """URL of a copy of a folder on an S3 server of this machine, which keeps it in memory."""
    server: Any = require("moto.server", "dev").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server.start()
    host, port = server.get_host_and_port()
    keys = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    before = {name: os.environ.get(name) for name in (*keys, "AWS_DEFAULT_REGION")}
    os.environ.update({**keys, "AWS_DEFAULT_REGION": "us-east-1"})
    try:
        require("s3fs", "storage").S3FileSystem().mkdir("streaming")
        store = ObjectStore("s3://streaming/shards")
        for path in sorted(folder.iterdir()):
            store.write(path.name, path.read_bytes())
        yield store.url
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def measure(bundle: Path, folder: Path, pictures: int, seconds: float, nimg: int, kills: int) -> Streaming:
    """Everything, in a folder that may be removed afterwards."""
    os.environ["LITHO_CACHE"] = str(folder / "cache")
    typer.echo(f"making {pictures} pictures", err=True)
    for name, form in (("tar", "webdataset"), ("parquet", "parquet")):
        fields = {"label": "0,1,2,3,4,5,6,7,8,9"}
        generate_shards(bundle, fields, folder / name, count=pictures, format=form, per_shard=500)
    tar, parquet = folder / "tar", folder / "parquet"
    with _s3(tar) as url:
        forms = {
            "memory": str(tar),
            "tar files": f"stream:{tar}",
            "parquet files": f"stream:{parquet}",
            "an S3 server": f"stream:{url}",
        }
        speeds = tuple(_speeds(forms, seconds))
        trained = []
        for number, (way, data) in enumerate(forms.items()):
            typer.echo(f"training from {way}", err=True)
            trained.append(Trained(way=way, images_per_second=_train(data, folder / f"run-{number}", nimg)))
        typer.echo(f"killing a training {kills} times", err=True)
        killed = _killed(forms["an S3 server"], folder / "killed", folder / "run-3", nimg, kills)
    typer.echo("cutting a pass", err=True)
    return Streaming(
        bundle=bundle.name,
        pictures=pictures,
        picture=load(forms["tar files"]).picture,
        encoded_bytes=sum(path.stat().st_size for path in tar.glob("*.tar")),
        speeds=speeds,
        trained=tuple(trained),
        killed=killed,
        resumes=resumes(tar, BATCH, SHUFFLE),
        machine=describe_machine(),
    )


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle with labels 0 to 9 that makes the pictures.")],
    pictures: Annotated[int, typer.Option(help="Pictures in the shards.", min=2_000)] = 20_000,
    seconds: Annotated[float, typer.Option(help="Length of each reading, in seconds.")] = 5.0,
    nimg: Annotated[int, typer.Option(help="Images of each training.", min=2_048)] = 4_096,
    kills: Annotated[int, typer.Option(help="SIGKILLs of a training.", min=1)] = 3,
    output: Output = RESULT,
) -> None:
    """Measure streams against data in memory."""
    with errors_of("streaming", output), tempfile.TemporaryDirectory(prefix="streaming-") as folder:
        result = measure(bundle, Path(folder), pictures, seconds, nimg, kills)
    finish(output, result, [*table(result), *result.problems], failed=bool(result.problems))
