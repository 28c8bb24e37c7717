"""What is wrong with a user's own module, found before it is exported: where, and what to change."""

from typing import Any

import pytest
import torch
from torch import nn

from litho.errors import ExportError, LithoError, UsageError
from litho.export.source import open_source

SIGNATURE: dict[str, Any] = {
    "inputs": [{"role": "seed", "shape": [4]}],
    "output": {"height": 2, "width": 2, "channels": 3},
}


class Block(nn.Module):
    """A layer with whatever a test wants to go wrong."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.calls = fault, 0
        self.layer = nn.Linear(4, 12)
        self.norm = nn.BatchNorm1d(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        match self.fault:
            case "control flow":
                if x.abs().sum() > x[-1].abs().sum():
                    x = x * 50
            case "random":
                x = x + torch.randn_like(x)
            case "dropout":
                x = nn.functional.dropout(x)
            case "batch of two":
                x = x.reshape(2, 4)
            case "state":
                self.calls += 1
                x = x + self.calls
            case "mixing":
                x = (x - x.mean(0)) / (x.std(0, correction=0) + 1)
            case "not finite":
                x = x / (x - x)
        return self.norm(self.layer(x))


class Net(nn.Module):
    """Two blocks, the second of which fails."""

    def __init__(self, fault: str = "", shape: tuple[int, ...] = (-1, 3, 2, 2)) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(4, 4), Block(fault)])
        self.shape = shape

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            z = block(z)
        return z.reshape(self.shape)


@pytest.fixture(autouse=True)
def _the_same_weights_each_time() -> None:
    torch.manual_seed(0)


def complaint_of(module: nn.Module, **changes: Any) -> str:
    """The one line by which a module is refused."""
    with pytest.raises(LithoError) as refused:
        open_source(module, signature={**SIGNATURE, **changes})
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("fault", "complaints"),
    [
        (
            "control flow",
            [
                "control flow depends on tensor values",
                "`if x.abs().sum() > x[-1].abs().sum():`",
                "torch.where",
            ],
        ),
        (
            "random",
            [
                "aten.randn_like.default draws random numbers",
                "`x = x + torch.randn_like(x)`",
                "derives from the seed",
            ],
        ),
        ("dropout", ["draws random numbers", "`x = nn.functional.dropout(x)`"]),
        (
            "batch of two",
            ["fails on a batch of 3", "`x = x.reshape(2, 4)`", "a batch of 2 passes: the size is hard-coded"],
        ),
    ],
)
def test_part_line_and_remedy_are_named(fault: str, complaints: list[str]) -> None:
    said = complaint_of(Net(fault).eval())
    for complaint in [*complaints, "in 'blocks.1' (Block) at ", "test_dry_run.py:"]:
        assert complaint in said


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("state", "give different pictures (by up to "),
        ("mixing", "grey levels with the other pictures of its batch; remove layers that"),
        (
            "not finite",
            "returns NaN or infinite values; the first part whose output is not finite is 'blocks.1.layer'",
        ),
    ],
)
def test_pictures_that_cannot_be_proven_are_refused(fault: str, complaint: str) -> None:
    assert complaint in complaint_of(Net(fault).eval())


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        (
            (-1, 12),
            "returns shape (3, 12); the signature's output is (batch, channels, height, width) = (3, 3, 2, 2)",
        ),
        ((-1, 3, 4, 1), "returns shape (3, 3, 4, 1)"),
        ((-1, 2, 2, 3), "returns shape (3, 2, 2, 3); .* by .permute(0, 3, 1, 2)"),
        ((1, 3, -1, 2), "returns shape (1, 3, 6, 2); .* the batch size is hard-coded"),
        ((-1,), "returns shape (36,)"),
    ],
)
def test_a_picture_of_another_shape_is_refused(shape: tuple[int, ...], complaint: str) -> None:
    said = complaint_of(Net(shape=shape).eval())
    for part in complaint.split(" .* "):
        assert part in said


def test_a_part_in_training_mode_is_named() -> None:
    module = Net().eval()
    module.blocks[1].norm.train()
    assert complaint_of(module).startswith("the model is in training mode ('blocks.1.norm'); call .eval()")
    assert complaint_of(Net()).startswith("the model is in training mode ('Net')")


@pytest.mark.parametrize(
    ("dtype", "complaint"),
    [
        (torch.float64, "is float64; exported weights must be FP32: call .float()"),
        (torch.float16, "is float16; exported weights must be FP32: call .float()"),
        (torch.complex64, "is complex64, and ONNX has no complex weights; keep real and imaginary part"),
    ],
)
def test_weights_of_another_type_are_named(dtype: torch.dtype, complaint: str) -> None:
    module = Net().eval()
    module.blocks[1].layer.weight.data = module.blocks[1].layer.weight.data.to(dtype)
    assert f"weight 'blocks.1.layer.weight' {complaint}" in complaint_of(module)


def test_torchscript_is_named() -> None:
    with pytest.deprecated_call():
        traced = torch.jit.trace(Net().eval(), torch.zeros(2, 4))
    assert " is TorchScript, which cannot be exported; build the Python module that it" in complaint_of(
        traced
    )


def test_weights_without_values_are_named() -> None:
    with torch.device("meta"):
        module = Net().eval()
    said = complaint_of(module)
    assert "has no values: it is on the device meta; build the model on the CPU" in said


def test_a_layer_without_shapes_yet_is_named() -> None:
    module = Net().eval()
    module.blocks[0] = nn.LazyLinear(4)
    assert "weight 'blocks.0.bias' has no shape yet, because its layer is lazy" in complaint_of(module)


def test_what_is_no_weight_is_named() -> None:
    class Packed(Net):
        def get_extra_state(self) -> Any:
            return {"scale": 3}

        def set_extra_state(self, state: Any) -> None: ...

    said = complaint_of(Packed().eval())
    assert said.startswith("the state dict holds '_extra_state', which is a dict and no tensor")


def test_gradients_in_forward_are_no_part_of_a_graph() -> None:
    class Guided(Net):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                z = z.detach().requires_grad_()
                (slope,) = torch.autograd.grad((z**2).sum(), z)
            return super().forward(z - 0.1 * slope)

    said = complaint_of(Guided().eval())
    assert said.startswith("the module fails where no gradients are computed: ")
    assert " in Guided at " in said
    assert said.endswith("; a graph computes none, so write out in 'forward' what it takes from them")


def test_the_buffer_that_makes_calls_differ_is_named() -> None:
    class Counting(Net):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            return super().forward(z) + self.calls

    assert "levels), and 'forward' changes the buffer 'calls'; the module must" in complaint_of(
        Counting().eval()
    )


class Giving(nn.Module):
    """Gives what it is told to."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self.what = what

    def forward(self, z: torch.Tensor, *, strength: float = 1) -> Any:
        return self.what(z.repeat(1, 3).reshape(-1, 3, 2, 2) * strength)


@pytest.mark.parametrize(
    ("what", "select", "complaint"),
    [
        (
            lambda x: {"sample": x, "loss": 0},
            None,
            "got the module's dict ('sample', 'loss'); name the part",
        ),
        (lambda x: {"sample": x}, "smaple", "the module's dict ('sample') has no 'smaple'"),
        (lambda x: (x, 1), 2, "the module's tuple (0, 1) has no 2"),
        (lambda x: x, "sample", "the module's Tensor has no 'sample'"),
        (lambda x: None, None, "expected a tensor, got the module's NoneType"),
        (lambda x: (x, 1), 1, "expected a tensor, got the module's int"),
        (lambda x: x.double(), None, "returns float64, which it computes first in Giving at "),
        (lambda x: x.double(), None, "it must return float32: call .float() on it"),
        (lambda x: torch.fft.fft2(x), None, "returns complex64, which it computes first in Giving at "),
        (lambda x: torch.fft.fft2(x), None, "take the real part, or the magnitude by .abs()"),
    ],
)
def test_an_output_that_is_no_picture_is_refused(what: Any, select: str | int | None, complaint: str) -> None:
    output = {**SIGNATURE["output"], "select": select}
    assert complaint in complaint_of(Giving(what).eval(), output=output)


@pytest.mark.parametrize("select", ["sample", 0])
def test_the_picture_may_be_part_of_what_a_module_gives(select: str | int) -> None:
    module = Giving(lambda x: {"sample": x} if select == "sample" else (x, 1)).eval()
    open_source(module, signature={**SIGNATURE, "output": {**SIGNATURE["output"], "select": select}})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"constants": {"timestep": 0}},
            "do not fit Giving.forward(z, strength): .* unexpected keyword argument 'timestep'",
        ),
        (
            {"constants": {"z": 0}},
            "multiple values for argument 'z'; change 'argument' of an input, or 'constants'",
        ),
        ({"inputs": [{"role": "seed", "shape": [4], "argument": "y"}]}, "missing a required argument: 'z'"),
        ({"method": "decode"}, "Giving has no method 'decode'; change 'method'"),
    ],
)
def test_what_forward_does_not_take_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as refused:
        open_source(Giving(lambda x: x).eval(), signature={**SIGNATURE, **changes})
    for part in complaint.split(" .* "):
        assert part in str(refused.value)


def autocast(x: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return (x @ x).float()


def test_arithmetic_of_less_than_fp32_is_no_reference() -> None:
    assert "computes in float16 in Giving at " in complaint_of(Giving(lambda x: x.half().float()).eval())
    said = complaint_of(Giving(autocast).eval())
    assert "computes in bfloat16 in Giving at " in said
    assert "`return (x @ x).float()`; it must compute in float32: remove torch.autocast" in said


def test_a_module_that_changes_what_it_is_given_is_told_which() -> None:
    class Changing(nn.Module):
        def forward(self, z: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
            return z.repeat(1, 3).reshape(-1, 3, 2, 2) + pose.mul_(2)[:, None, None, None]

    inputs = [{"role": "latent", "shape": [4]}, {"role": "condition", "name": "pose"}]
    said = complaint_of(Changing().eval(), inputs=inputs)
    assert said.startswith("the module changes its input 'pose' in place; work on a copy")


def test_a_branch_that_a_graph_can_hold_is_not_in_the_way() -> None:
    def branch(x: torch.Tensor) -> torch.Tensor:
        return torch.cond(x.shape[1] > 2, lambda y: y * 2, lambda y: y * 3, (x,))

    open_source(Giving(branch).eval(), signature=SIGNATURE)


def test_a_module_that_is_the_trouble_itself_is_named_by_its_class() -> None:
    class Rooted(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return torch.bernoulli(z.abs())

    with pytest.raises(
        ExportError, match=r"aten\.bernoulli\.default draws random numbers in Rooted at .*test_dry_run"
    ):
        open_source(Rooted().eval(), signature=SIGNATURE)
