"""A user's own module as litho exports its families: seed in, pixels out.

Importing it runs its code, which is what the user asked for; its weights are read as data and never unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import math
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import CheckpointError, ExportError, UsageError
from ...files import sha256
from ...signature import Signature
from ...training.networks.generator import Generator
from ...training.networks.pixel_model import PixelModel
from ...training.run.snapshot import fit_weights, read_external_weights
from .code_location import location_of
from .diagnosis import check_module
from .dry_run import try_out
from .signature_file import Declaration, Input, Noise

__all__ = ["UserModule", "load_module", "load_weights", "user_model"]

WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")


class UserModule(Generator):
    """A user's module behind the interface of litho's families.

    Args:
        module: in eval mode.
        declaration: what it takes and gives.
    """

    def __init__(self, module: nn.Module, declaration: Declaration) -> None:
        super().__init__()
        self.foreign, self.declaration = module, declaration
        self.latent_size = declaration.noise.size if declaration.noise else 0

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        """What was declared."""
        return self.declaration.signature()

    def sides(self) -> range | None:
        """What was declared, if anything was."""
        sides = self.declaration.sides
        return None if sides is None else range(sides.least, sides.most + 1, sides.divisible_by)

    def forms(self, signature: Signature) -> dict[str, tuple[Generator, Signature]]:
        """A declared seed can be exported as the raw latent too."""
        noise = self.declaration.noise
        if noise is None or noise.role == "latent":
            return {"latent" if noise else "image": (self, signature)}
        latent = signature.model_copy(update={"inputs": (noise.latent, *signature.inputs[1:])})
        return {"seed": (self, signature), "latent": (self, latent)}

    def forward(self, *inputs: Tensor) -> Tensor:
        """As of every generator: floats in [-1, 1] in and out."""
        places: list[Any] = []
        keywords: dict[str, Any] = {}
        for given, value in zip(self.declaration.inputs, inputs, strict=True):
            if isinstance(given, Noise) and given.noises is not None:
                keywords |= _cut(value, given.noises)
            elif given.argument is None:
                places.append(_as_declared(given, value))
            else:
                keywords[given.argument] = _as_declared(given, value)
        output = getattr(self.foreign, self.declaration.method)(
            *places, **keywords, **self.declaration.constants
        )
        low, high = self.declaration.output.range
        images = _selected(output, self.declaration.output.select)
        return images if (low, high) == (-1, 1) else (images - low) * (2 / (high - low)) - 1


def user_model(module: nn.Module, declaration: Declaration, input: str | None = None) -> PixelModel:
    """A user's module from its inputs to pixels, tried out.

    Args:
        module: on the CPU, in eval mode and FP32.
        declaration: what it takes and gives.
        input: "seed", "latent" or "image", as far as it was declared; by default what it takes first.

    Raises:
        UsageError: it has no such input, or its `forward` does not take what was declared.
        ExportError: it is in training mode, holds weights that cannot be exported, fails, draws random numbers of its
            own, gives something else than was declared, or makes a picture depend on its batch.
    """
    check_module(module)
    generator = UserModule(module, declaration).eval()
    forms = generator.forms(generator.signature())
    if input is not None and input not in forms:
        raise UsageError(f"the signature cannot be fed with {input!r}; give --input {' or '.join(forms)}")
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
        ExportError: the import or the call fails, or gives no module.
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
    """Call `build`, known as `name`, which gives the module; see `load_module`."""
    if not callable(build):
        raise UsageError(
            f"{name!r} is a {type(build).__name__}; it must be a callable that gives an nn.Module"
        )
    try:
        inspect.signature(build).bind()
    except TypeError as error:
        raise UsageError(f"{name!r} is called without arguments, but: {error}; give it defaults") from None
    except ValueError:
        pass  # of a builtin, which says nothing of itself
    try:
        module = build()
    except Exception as error:
        raise ExportError(f"{name!r} failed: {_raised(error)}") from error
    if not isinstance(module, nn.Module):
        raise ExportError(f"{name!r} gave a {type(module).__name__}; it must give an nn.Module")
    # Nobody could have called .eval() on what a class makes.
    return module.eval() if isinstance(build, type) else module


def load_weights(module: nn.Module, path: Path | None) -> str:
    """Put the weights of a file into a module, every one in its place and in the module's dtype.

    Args:
        module: takes them; without a file it keeps its own.
        path: of a `.safetensors` file, or a `.pt`, `.pth` or `.bin` of plain weights.

    Returns:
        SHA-256 of the file, or of the module's weights where there is none.

    Raises:
        UsageError: the file's name ends otherwise.
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
    except RuntimeError as error:  # a module with a loading of its own
        raise CheckpointError(f"{path} does not fit the module: {' '.join(str(error).split())}") from None
    return sha256(path)


def _hash(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _cut(noise: Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Noise of shape (batch, size) -> keyword -> its part, of shape (batch, *shape)."""
    parts = noise.split([math.prod(shape) for shape in shapes.values()], 1)
    return {name: part.reshape(-1, *shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


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
            raise ExportError(
                f"there is no {select!r} in {_parts(output)}; change 'select' of the output"
            ) from None
    if not isinstance(part, Tensor):
        raise ExportError(
            f"no tensor but {_parts(part)} was given; say which part is the picture: output: {{select: ...}}"
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
    """Whether the method takes what it is given, before torch says so in its own words."""
    method = getattr(module, declaration.method, None)
    if not callable(method):
        raise UsageError(f"{type(module).__name__} has no method {declaration.method!r}; change 'method'")
    signature = inspect.signature(method)
    places = [
        0 for given in declaration.inputs if given.argument is None and not getattr(given, "noises", None)
    ]
    names = [given.argument for given in declaration.inputs if given.argument is not None]
    names += [name for given in declaration.inputs for name in getattr(given, "noises", None) or ()]
    try:
        signature.bind(*places, **dict.fromkeys([*names, *declaration.constants], 0))
    except TypeError as error:
        raise UsageError(
            f"{type(module).__name__}.{declaration.method} takes ({', '.join(signature.parameters)}), and what the"
            f" signature gives it does not fit: {error}; change 'argument' of an input, or 'constants'"
        ) from None


def _raised(error: Exception) -> str:
    frames = list(traceback.walk_tb(error.__traceback__))
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")
    return f"{type(error).__name__}: {line}{location_of(frames, nn.Module())}"
