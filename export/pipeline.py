"""A generator to export: its model in PyTorch, its stages in the order they run, and the sampler that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..bundle.manifest import Sampler, Stage
from ..errors import UnknownName, UsageError
from ..runners import Worker
from ..runners.base import Runner, runner_class
from ..runners.rectified_flow import Runner as RectifiedFlowRunner
from ..signature import Signature
from ..signature.fields import Role, Size

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FreeOrSize", "Pipeline"]

FreeOrSize = Size | Literal["free"]
"""Height and width of the pictures that come in; "free" for every size that the generator can take."""


@dataclass(frozen=True)
class Pipeline:
    """A generator in stages; a generator of a single graph has one stage.

    Args:
        model: the whole generator in PyTorch, a `PixelModel`; the stages are compared with it.
        signature: of the whole.
        stages: name -> module in eval mode, and its signature.
        sampler: runs the stages in turn; None with a single stage.
        tokenizer: JSON text of the tokenizer; None without a sampler.
        worker: the process in which runtimes open and run graphs; this one by default.
    """

    model: Any
    signature: Signature
    stages: dict[str, tuple[nn.Module, Signature]]
    sampler: Sampler | None = None
    tokenizer: str | None = None
    worker: Worker | None = None

    @classmethod
    def of(cls, model: Any) -> Pipeline:
        """The pipeline of a `PixelModel`."""
        from ..training.networks.staged import StagedGenerator

        generator = model.generator
        if isinstance(generator, StagedGenerator):
            return cls(model, model.signature, generator.stages(), "rectified-flow", generator.tokenizer)
        return cls(model, model.signature, {"generator": (model, model.signature)})

    def resize(self, size: FreeOrSize) -> Pipeline:
        """The same generator for another size of the pictures that come in.

        Args:
            size: height and width, or "free".

        Raises:
            UsageError: the generator makes pictures of one size only.
            InvalidInput: the size is not allowed.
        """
        sides = self.model.generator.sides()
        if sides is None or self.signature.field(Role.IMAGE) is None:
            height, width, _ = self.signature.output.shape
            raise UsageError(f"this generator makes pictures of one size, {height}x{width}; leave --size out")
        free = self.signature.with_free_size(sides[0], sides[-1], sides.step)
        signature = free if size == "free" else free.with_size(*size)
        return Pipeline.of(type(self.model)(self.model.generator, signature).eval())

    def fix(self, values: Mapping[str, int]) -> Pipeline:
        """The same generator with some inputs fixed; it takes the others.

        The modules of its stages still take all inputs: `fix_input` changes their graphs.

        Args:
            values: name of an input, INT64 of shape (batch,) -> its value in every picture.

        Raises:
            UsageError: the generator has several stages, the input is of another kind, or no input would be left.
            UnknownName: there is no such input.
            InvalidInput: the value is not allowed.
        """
        if self.sampler is not None:
            raise UsageError("--fix needs a generator of a single graph; this one has several stages")
        known = {field.name: field for field in self.signature.inputs}
        for name, value in values.items():
            if name not in known:
                raise UnknownName("input", name, known)
            if known[name].dtype != "INT64" or known[name].shape:
                raise UsageError(
                    f"--fix takes integer inputs, such as a label; {name!r} is {known[name].allowed}"
                )
            known[name].check([value])
        rest = tuple(field for field in self.signature.inputs if field.name not in values)
        if not rest:
            raise UsageError("--fix must leave an input, which sets the number of pictures to make")
        signature = self.signature.model_copy(update={"inputs": rest})
        stages = {name: (module, signature) for name, (module, _) in self.stages.items()}
        return replace(self, model=_Fixed(self.model, signature, values), signature=signature, stages=stages)

    @property
    def described(self) -> tuple[Stage, ...]:
        """The stages as the manifest lists them."""
        return tuple(Stage(name=name, signature=signature) for name, (_, signature) in self.stages.items())

    def open(
        self,
        graphs: Mapping[str, bytes],
        runtimes: Mapping[str, str] | None = None,
        around: Callable[[str, Runner], Runner] | None = None,
    ) -> Runner:
        """Open a runner of the whole generator, each stage in a runtime.

        Args:
            graphs: stage -> content of its ONNX file, as its runtime takes it.
            runtimes: stage -> runtime; ONNX Runtime by default.
            around: wraps the runner of a stage, given the stage's name.

        Raises:
            RuntimeCrash: a runtime crashed or hung in the worker's process.
            LithoError: a runtime refuses a graph.
        """
        worker = self.worker
        with ExitStack() as opened:
            stages: dict[str, Runner] = {}
            for name, (_, signature) in self.stages.items():
                runtime = (runtimes or {}).get(name, "onnxruntime")
                opens = (
                    runner_class(runtime).from_graph
                    if worker is None
                    else partial(worker.open_graph, runtime)
                )
                stage = opened.enter_context(opens(graphs[name], signature))
                stages[name] = stage if around is None else around(name, stage)
            if self.sampler is None:
                (whole,) = stages.values()
            else:
                assert self.tokenizer is not None, "a sampler's stages come with a tokenizer"
                if worker is None or around is not None:
                    whole = RectifiedFlowRunner(self.signature, stages, self.tokenizer)
                else:
                    whole = worker.open_sampler(self.sampler, self.signature, stages, self.tokenizer)
            opened.pop_all()
        return whole


class _Fixed:
    """A `PixelModel` some of whose inputs have a fixed value.

    Args:
        model: takes all inputs.
        signature: without the fixed ones.
        values: of these.
    """

    def __init__(self, model: Any, signature: Signature, values: Mapping[str, int]) -> None:
        self._model, self.signature, self._values = model, signature, values
        self.generator, self.pixels, self.named_modules = model.generator, model.pixels, model.named_modules

    def to(self, device: Any) -> _Fixed:
        self._model.to(device)
        return self

    def eval(self) -> _Fixed:
        self._model.eval()
        return self

    def __call__(self, *inputs: Any) -> Any:
        import torch

        given = iter(inputs)
        return self._model(
            *(
                torch.full((len(inputs[0]),), self._values[field.name])
                if field.name in self._values
                else next(given)
                for field in self._model.signature.inputs
            )
        )
