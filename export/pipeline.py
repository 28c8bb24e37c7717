"""A generator as it is exported: its stages in the order they run, and what runs them in turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..bundle import Sampler, Stage
from ..runners.base import Runner, runner_class
from ..runners.rectified_flow import Runner as RectifiedFlowRunner
from ..signature import Signature

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Pipeline"]


@dataclass(frozen=True)
class Pipeline:
    """What is exported of a generator; one that is a single graph is a pipeline of one stage.

    Args:
        picture: the whole in PyTorch: what the stages are compared with.
        signature: of the whole.
        stages: name -> module, in eval mode, and its signature.
        sampler: what runs the stages in turn; None where there is one.
        tokenizer: JSON text of the tokenizer that a sampler needs.
    """

    picture: Any
    signature: Signature
    stages: dict[str, tuple[nn.Module, Signature]]
    sampler: Sampler | None = None
    tokenizer: str | None = None

    @classmethod
    def of(cls, picture: Any) -> Pipeline:
        """The pipeline of a snapshot's picture."""
        from ..training.staged import StagedGenerator

        generator = picture.generator
        if isinstance(generator, StagedGenerator):
            return cls(picture, picture.signature, generator.stages(), "rectified-flow", generator.tokenizer)
        return cls(picture, picture.signature, {"generator": (picture, picture.signature)})

    @property
    def described(self) -> tuple[Stage, ...]:
        """The stages as a manifest lists them."""
        return tuple(Stage(name=name, signature=signature) for name, (_, signature) in self.stages.items())

    def open(
        self,
        graphs: Mapping[str, bytes],
        runtimes: Mapping[str, str] | None = None,
        around: Callable[[str, Runner], Runner] = lambda name, stage: stage,
    ) -> Runner:
        """Run the whole, each stage in a runtime.

        Args:
            graphs: stage -> content of its ONNX file, as the stage's runtime takes it.
            runtimes: stage -> runtime; ONNX Runtime where none is given.
            around: makes of each stage's name and runner the one that is run.
        """
        with ExitStack() as opened:
            stages: dict[str, Runner] = {}
            for name, (_, signature) in self.stages.items():
                runtime = runner_class((runtimes or {}).get(name, "onnxruntime"))
                stages[name] = around(name, opened.enter_context(runtime.from_graph(graphs[name], signature)))
            if self.sampler is None:
                (whole,) = stages.values()
            else:
                assert self.tokenizer is not None, "a sampler's stages come with a tokenizer"
                whole = RectifiedFlowRunner(self.signature, stages, self.tokenizer)
            opened.pop_all()
        return whole
