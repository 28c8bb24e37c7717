"""Fully sharded training (FSDP2): every process keeps a share of each weight, its average and its optimizer state.

torch's `fully_shard` collects the weights of a block before it runs and adds up its gradients after it (Zhao et al.
2023, "PyTorch FSDP"). Weights are cut along their first axis. They stay FP32, and so do the sums of the gradients;
autocast chooses the arithmetic, as it does without shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, distributed

from ...errors import UsageError
from ..models import Generator, family, family_names
from ..recipe import Recipe
from .distributed import Process

__all__ = [
    "all_finite",
    "check_shardable",
    "cut",
    "shard",
    "sharded",
    "whole",
    "whole_generator",
]


def check_shardable(recipe: Recipe, process: Process) -> None:
    """Check that a recipe can be trained with sharded weights.

    Raises:
        UsageError: there is one process, the family has no blocks to shard, or the precision is FP16.
    """
    if not family(recipe.family).generator.sharded_methods:
        able = [name for name in family_names() if family(name).generator.sharded_methods]
        raise UsageError(
            f"family {recipe.family!r} cannot be sharded, only {', '.join(able)}; leave out --parallel fsdp: ddp"
            " trains every family"
        )
    if process.count == 1:
        raise UsageError("--parallel fsdp needs several processes; start them with torchrun, or leave it out")
    if recipe.precision == "fp16":
        raise UsageError(
            "precision=fp16 cannot be sharded, because its loss scale would differ between processes;"
            " --set precision=bf16"
        )


def shard(process: Process, *generators: Generator) -> Any:
    """Cut all weights of generators along their first axis, in place; names and values stay.

    Args:
        process: this one; every process must call it.
        generators: whole, on the device of the process, the same in every process.

    Returns:
        The `DeviceMesh` of the processes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh(process.device.type, (process.count,))
    for generator in generators:
        assert not list(generator.buffers()), "only weights are cut"
        for block in generator.shard_units():
            fully_shard(block, mesh=mesh)
        fully_shard(generator, mesh=mesh)
        for name in generator.sharded_methods:
            register_fsdp_forward_method(generator, name)
    return mesh


def sharded(value: object) -> bool:
    """Whether a value is a tensor of which this process has only a share."""
    # Not by its class, which takes half a second to import.
    return isinstance(value, Tensor) and hasattr(value, "full_tensor")


def whole(tensors: Mapping[str, Tensor], *, keep: bool = True) -> dict[str, Tensor]:
    """Whole copies of tensors, collected one by one; every process must call it.

    Args:
        tensors: name -> tensor; those that are not sharded are passed on.
        keep: return them; False only takes part, without the memory.
    """
    result = {}
    for name, tensor in tensors.items():
        full = tensor.full_tensor() if sharded(tensor) else tensor  # pyright: ignore[reportAttributeAccessIssue]
        if keep:
            result[name] = full
    return result


def cut(tensor: Tensor, mesh: Any) -> Tensor:
    """This process's share of a whole tensor; a scalar, and a tensor that is already cut, are passed on.

    Args:
        tensor: the same in every process; nothing is sent.
        mesh: result of `shard`.
    """
    if sharded(tensor) or tensor.ndim == 0:
        return tensor
    from torch.distributed.tensor import Shard, distribute_tensor

    return distribute_tensor(tensor.detach().to(mesh.device_type), mesh, [Shard(0)], src_data_rank=None)


def whole_generator(generator: Generator, recipe: Recipe, device: torch.device) -> Generator:
    """A generator with whole weights, in eval mode: the same one if it is not sharded; every process must call it."""
    if not any(sharded(value) for value in generator.state_dict().values()):
        return generator
    weights = whole(generator.state_dict())
    copy = family(recipe.family).generator(**generator.architecture)
    copy.load_state_dict(weights)
    return copy.to(device).eval().requires_grad_(False)


def all_finite(value: Tensor) -> bool:
    """Whether all values are finite; the same answer in every process if the tensor is sharded."""
    if not sharded(value):
        return bool(torch.isfinite(value).all())
    local = value.to_local()  # pyright: ignore[reportAttributeAccessIssue]
    bad = (~torch.isfinite(local)).any().to(torch.int32)
    distributed.all_reduce(bad)
    return not bad.item()
