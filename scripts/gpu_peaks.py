"""What a device reaches with PyTorch alone, for `gpu_bench.py`: `python3 scripts/gpu_peaks.py OUT.json`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "peaks"]

BATCHES = (1, 8, 32, 128)


def peaks(device: str, scale: float = 1.0) -> dict[str, Any]:
    """What the device reaches with PyTorch alone: matrix products, copies, and a DCGAN of 64x64x3 pictures.

    Args:
        device: "cuda" or "cpu".
        scale: of the sizes and times.

    Returns:
        "teraflops" by dtype, "copy_gigabytes_per_second", and for each form of the network "images_per_second" by
        batch and the largest difference of its pictures from FP32 in eager mode, in [0, 2].
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    side = 8192 if device == "cuda" else 512
    products = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if device == "cuda":
        products["float16"] = torch.float16
    teraflops = {}
    for name, dtype in products.items():
        one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = _seconds(torch, device, lambda one=one, other=other: one @ other, 2 * scale)
        teraflops[name] = 2 * side**3 / seconds / 1e12
    source = torch.empty((1 << 30) if device == "cuda" else (1 << 26), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * source.numel() / _seconds(torch, device, lambda: target.copy_(source), 2 * scale) / 1e9
    return {
        "teraflops": teraflops,
        "copy_gigabytes_per_second": copied,
        "dcgan_64": _dcgan_forms(torch, device, scale),
    }


def _dcgan_forms(torch: Any, device: str, scale: float, batches: Sequence[int] = BATCHES) -> dict[str, Any]:
    """A DCGAN (Radford et al. 2016) in eager mode, in BF16 and, on a GPU, as a CUDA graph."""
    torch.manual_seed(0)
    layers: list[Any] = []
    for before, after, first in ((100, 512, True), (512, 256, False), (256, 128, False), (128, 64, False)):
        convolution = torch.nn.ConvTranspose2d(before, after, 4, *((1, 0) if first else (2, 1)))
        layers += [convolution, torch.nn.BatchNorm2d(after), torch.nn.ReLU()]
    layers += [torch.nn.ConvTranspose2d(64, 3, 4, 2, 1), torch.nn.Tanh()]
    network = torch.nn.Sequential(*layers).eval().to(device)
    forms: dict[str, Any] = {}
    with torch.inference_mode():
        for batch in batches:
            noise = torch.randn(batch, 100, 1, 1, device=device)
            wanted = network(noise)

            def bf16(noise: Any = noise) -> Any:
                with torch.autocast(device, torch.bfloat16):
                    return network(noise)

            calls: dict[str, Callable[[], Any]] = {"eager": lambda noise=noise: network(noise), "bf16": bf16}
            if device == "cuda":
                calls["cuda graph"] = _captured(torch, network, noise)
            for name, call in calls.items():
                form = forms.setdefault(name, {"images_per_second": {}, "largest_difference": 0.0})
                difference = float((call().float() - wanted).abs().max())
                form["largest_difference"] = max(form["largest_difference"], difference)
                form["images_per_second"][batch] = batch / _seconds(torch, device, call, scale)
    return forms


def _captured(torch: Any, network: Any, noise: Any) -> Callable[[], Any]:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        network(noise)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        made = network(noise)

    def replay() -> Any:
        graph.replay()
        return made

    return replay


def _seconds(torch: Any, device: str, call: Callable[[], Any], limit_s: float) -> float:
    """Median seconds of a call, the device's work included."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        call()
    wait()
    spent: list[float] = []
    start = time.perf_counter()
    while len(spent) < 5 or (time.perf_counter() - start < limit_s and len(spent) < 1000):
        began = time.perf_counter()
        call()
        wait()
        spent.append(time.perf_counter() - began)
    return sorted(spent)[len(spent) // 2]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path, help="JSON file")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--scale", type=float, default=1.0, help="of sizes and times")
    given = parser.parse_args(arguments)
    given.output.write_text(json.dumps(peaks(given.device, given.scale)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
