import torch

from litho.benchmarks.peers.in_process.torch_tensorrt import in_half


class Adds(torch.nn.Module):
    """A layer of noise and labels, as a generator's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.labels = torch.nn.Linear(4, 3), torch.nn.Embedding(2, 3)

    def forward(self, noise: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        self.seen = noise.dtype
        return self.layer(noise) + self.labels(label)


def test_a_network_in_half_takes_and_gives_fp32() -> None:
    torch.manual_seed(0)
    network, noise, label = Adds(), torch.randn(2, 4), torch.tensor([0, 1])
    with torch.no_grad():
        wanted = network(noise, label)
        made = in_half(torch, network)(noise, label)
    assert network.seen == torch.float16
    assert made.dtype == torch.float32
    assert 0 < (made - wanted).abs().max() < 0.01
