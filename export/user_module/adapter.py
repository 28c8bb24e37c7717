"""Adapt a user's own module to the interface of litho's families: seed in, pixels out.

The import runs the user's code; weights are read as data and never unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import CheckpointError, ExportError, UsageError
from ...files import sha256
from ...signature import Signature
from ...training.networks.generator import Generator
from ...training.networks.pixel_model import PixelModel
from ...training.run.external_weights import read_external_weights
from ...training.run.snapshot import fit_weights
from .code_location import location_of
from .diagnosis import check_has_values, check_module
from .dry_run import try_out
from .inputs import Input, Noise, NoisePart
from .signature_file import Declaration

__all__ = ["UserModule", "load_module", "load_weights", "user_model"]

WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


class UserModule(Generator):
    """A user's module with the interface of litho's families.

    Args:
        module: in eval mode.
        declaration: its signature file.
    """

    def __init__(self, module: nn.Module, declaration: Declaration) -> None:
        super().__init__()
        self.foreign, self.declaration = module, declaration
        self.latent_size = declaration.noise.size if declaration.noise else 0
        # Buffers follow the module to another device; these are no weights, so they stay out of its state dict.
        for index, constant in enumerate(declaration.constants.values()):
            if isinstance(constant.value, np.ndarray):
                # A copy: an array from a file or a caller may be read-only, or change later.
                self.register_buffer(f"constant_{index}", torch.tensor(constant.value), persistent=False)

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """The declared signature."""
        return self.declaration.signature()

    def sides(self) -> range | None:
        """The declared sides; None without any."""
        sides = self.declaration.sides
        return None if sides is None else range(sides.least, sides.most + 1, sides.divisible_by)

    def forms(self, signature: Signature) -> dict[str, tuple[Generator, Signature]]:
        """The declared form; a seed can also be replaced by the raw latent."""
        noise = self.declaration.noise
        if noise is None or noise.role == "latent":
            return {"latent" if noise else "image": (self, signature)}
        latent = signature.model_copy(update={"inputs": (noise.latent, *signature.inputs[1:])})
        return {"seed": (self, signature), "latent": (self, latent)}

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the module; floats are in [-1, 1] in and out, as for every generator."""
        for value in inputs[1:]:
            # To the exporter the batches of two inputs are two numbers until something compares them.
            torch._check(value.shape[0] == inputs[0].shape[0])
        self._tell_divisors(inputs)
        positional: list[Any] = []
        keywords: dict[str, Any] = {}

        def put(argument: str | None, value: Any) -> None:
            positional.append(value) if argument is None else _put(keywords, argument, value)

        for given, value in zip(self.declaration.inputs, inputs, strict=True):
            if isinstance(given, Noise) and given.noises is not None:
                for part, cut in _cut(value, given.noises):
                    put(part.argument, cut)
            else:
                put(given.argument, _as_declared(given, value))
        for name, value in self._constants(inputs[0].shape[0]):
            _put(keywords, name, value)
        # A call of the module itself runs its hooks too, by which spectral norm and weight norm compute weights.
        method = self.declaration.method
        call = self.foreign if method == "forward" else getattr(self.foreign, method)
        output = call(*positional, **keywords)
        low, high = self.declaration.output.range
        images = _selected(output, self.declaration.output.select)
        return images if (low, high) == (-1, 1) else (images - low) * (2 / (high - low)) - 1

    def _tell_divisors(self, inputs: Sequence[Tensor]) -> None:
        """Tell the exporter what divides height and width, so that `chunk` has as many parts for every size."""
        step = self.declaration.sides.divisible_by if self.declaration.sides else 1
        divisors = [divisor for divisor in range(2, step + 1) if step % divisor == 0]
        for picture in (value for value in inputs if value.ndim == 4):
            for extent in picture.shape[2:]:
                if isinstance(extent, torch.SymInt):
                    for divisor in divisors:
                        torch._check(extent % divisor == 0)

    def _constants(self, batch: int) -> Iterator[tuple[str, Any]]:
        """Name and value of every constant."""
        for index, (name, constant) in enumerate(self.declaration.constants.items()):
            value = constant.value
            if isinstance(value, np.ndarray):
                value = getattr(self, f"constant_{index}")
            yield name, value.expand(batch, *value.shape) if constant.per_picture else value


def user_model(module: nn.Module, declaration: Declaration, input: str | None = None) -> PixelModel:
    """A user's module from its inputs to pixels, checked in a dry run.

    Args:
        module: on the CPU, in eval mode and FP32.
        declaration: its signature file.
        input: "seed", "latent" or "image", if declared; by default the first input.

    Raises:
        UsageError: the input is not declared, or `forward` does not take the declared arguments.
        ExportError: the module is in training mode, has weights that cannot be exported, fails, draws random numbers,
            returns something else than declared, or makes a picture depend on its batch.
    """
    check_module(module)
    generator = UserModule(module, declaration).eval()
    forms = generator.forms(generator.signature())
    if input is not None and input not in forms:
        raise UsageError(f"the signature has no input {input!r}; give --input {' or '.join(forms)}")
    picture = PixelModel(*forms[input or next(iter(forms))]).eval()
    _check_call(module, declaration)
    try_out(picture)
    return picture


def load_module(reference: str) -> nn.Module:
    """Import what a reference names and build the module; the current directory is importable, as for `python -m`.

    Args:
        reference: "package.module:name" or "folder/file.py:name" of a callable without required arguments that
            returns the module in eval mode, or of a class of modules, whose instance is put into eval mode.

    Raises:
        UsageError: there is no such module or name, or it takes arguments.
        ExportError: the import or the call fails, or returns no module.
    """
    name, _, attribute = reference.rpartition(":")
    file = Path(name).resolve() if name.endswith(".py") else None
    if not attribute.isidentifier() or not (file or all(part.isidentifier() for part in name.split("."))):
        raise UsageError(
            f"invalid reference {reference!r}; expected FILE.py:NAME or PACKAGE.MODULE:NAME, such as my_net.py:build"
        )
    if file is not None:
        if not file.is_file():
            raise UsageError(f"there is no file {name!r} to import for {reference!r}")
        name = file.stem
    folder = str(Path.cwd() if file is None else file.parent)
    if file is not None or folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise ExportError(f"importing {name!r} failed: {error}; install what it needs") from error
        raise UsageError(
            f"there is no module {error.name!r} to import for {reference!r}; start litho in the folder that holds it,"
            " or install it"
        ) from None
    except SystemExit as error:  # a script that reads the command line, which is litho's
        raise ExportError(
            f"importing {name!r} ended it with exit code {error.code}; put what the script does under"
            " if __name__ == '__main__'"
        ) from None
    except Exception as error:
        raise ExportError(f"importing {name!r} failed: {_raised(error)}") from error
    if file is not None and Path(module.__file__ or "").resolve() != file:
        raise UsageError(
            f"{file} has the name of another module, {name!r} ({module.__file__}); rename the file"
        )
    if not hasattr(module, attribute):
        callables = [known for known, value in vars(module).items() if callable(value) and known[0] != "_"]
        raise UsageError(
            f"{name!r} has no {attribute!r} (it has: {', '.join(callables) or 'nothing to call'})"
        )
    return build_module(getattr(module, attribute), reference)


def build_module(build: Callable[[], Any], name: str) -> nn.Module:
    """Call `build`, known as `name`, which returns the module; see `load_module`."""
    if not callable(build):
        raise UsageError(
            f"{name!r} is a {type(build).__name__}; it must be a callable that returns an nn.Module"
        )
    try:
        inspect.signature(build).bind()
    except TypeError as error:
        raise UsageError(
            f"{name!r} is called without arguments: {error}; give its arguments defaults"
        ) from None
    except ValueError:
        pass  # a builtin has no signature
    try:
        module = build()
    except Exception as error:
        raise ExportError(f"{name!r} failed: {_raised(error)}") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{name!r} returned a {type(module).__name__}; it must return an nn.Module")
    # The user has no instance of the class to call .eval() on.
    return module.eval() if isinstance(build, type) else module


def load_weights(module: nn.Module, path: Path | None) -> str:
    """Load the weights of a file into a module; names, shapes and dtypes must fit.

    Args:
        module: to load into; without a file it keeps its weights.
        path: of a `.safetensors` file, or a `.pt`, `.pth`, `.bin` or `.ckpt` of plain weights.

    Returns:
        SHA-256 of the file, or of the module's weights without a file.

    Raises:
        UsageError: the file has another suffix.
        CheckpointError: the file cannot be read, or a weight is missing, unknown, or has another shape or dtype.
    """
    if path is None:
        return _hash(module)
    if path.suffix not in WEIGHT_SUFFIXES:
        raise UsageError(
            f"--weights was given {str(path)!r}; it takes a file ending in {', '.join(WEIGHT_SUFFIXES)}"
        )
    weights = read_external_weights(path, module.state_dict().keys())
    try:
        fit_weights(module, weights, str(path))
    except RuntimeError as error:  # from a module that overrides load_state_dict
        raise CheckpointError(f"{path} does not fit the module: {' '.join(str(error).split())}") from None
    return sha256(path)


def _hash(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        check_has_values(name, tensor)
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _put(keywords: dict[str, Any], argument: str, value: Any) -> None:
    """Put a value at its argument; a part of an argument, "a.b", is the item "b" of the mapping "a"."""
    *outer, name = argument.split(".")
    for one in outer:
        keywords = keywords.setdefault(one, {})
    keywords[name] = value


def _cut(noise: Tensor, parts: Sequence[NoisePart]) -> Iterator[tuple[NoisePart, Any]]:
    """Noise of shape (batch, size) -> each part with its tensor of shape (batch, *shape), or the list of them."""
    shapes = [shape for part in parts for shape in part.tensors]
    pieces = iter(noise.split([math.prod(shape) for shape in shapes], 1))
    for part in parts:
        tensors = [next(pieces).reshape(-1, *shape) for shape in part.tensors]
        yield part, tensors[0] if part.shapes is None else tensors


def _as_declared(given: Input, value: Tensor) -> Tensor:
    if isinstance(given, Noise):
        return value.reshape(-1, *(given.shape or ()))
    low, high = getattr(given, "range", (-1, 1))
    return value if (low, high) == (-1, 1) else (value + 1) * ((high - low) / 2) + low


def _selected(output: Any, select: str | int | None) -> Tensor:
    part = output
    if select is not None:
        try:
            by_name = isinstance(select, str) and not isinstance(output, Mapping)
            part = getattr(output, str(select)) if by_name else output[select]
        except (AttributeError, LookupError, TypeError):
            raise ExportError(f"{_parts(output)} has no {select!r}; correct 'select' of the output") from None
    if not isinstance(part, Tensor):
        raise ExportError(
            f"expected a tensor, got {_parts(part)}; name the part that is the picture: output: {{select: ...}}"
        )
    return part


def _parts(output: Any) -> str:
    names = (
        output.keys()
        if isinstance(output, Mapping)
        else range(len(output))
        if isinstance(output, tuple)
        else ()
    )
    known = f" ({', '.join(map(repr, names))})" if names else ""
    return f"the module's {type(output).__name__}{known}"


def _check_call(module: nn.Module, declaration: Declaration) -> None:
    """Check the arguments of the method before torch does, whose message is less clear."""
    method = getattr(module, declaration.method, None)
    if not callable(method):
        raise UsageError(f"{type(module).__name__} has no method {declaration.method!r}; change 'method'")
    try:
        signature = inspect.signature(method)
    except ValueError:  # a method that is not written in Python has none
        return
    passed = [one for given in declaration.inputs for one in getattr(given, "noises", None) or (given,)]
    positional = [one for one in passed if one.argument is None]
    try:
        signature.bind(*positional, **{name.partition(".")[0]: 0 for name in declaration.arguments})
    except TypeError as error:
        raise UsageError(
            f"the signature's inputs do not fit {type(module).__name__}.{declaration.method}"
            f"({', '.join(signature.parameters)}): {error}; change 'argument' of an input, or 'constants'"
        ) from None


def _raised(error: Exception) -> str:
    frames = list(traceback.walk_tb(error.__traceback__))
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")
    return f"{type(error).__name__}: {line}{location_of(frames, nn.Module())}"
