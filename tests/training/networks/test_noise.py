import torch

from litho.signature.noise import gaussian
from litho.training.networks.noise import Noise, as_one_operator, operator

SEEDS = torch.tensor([0, 5, 2**63 - 1])


def test_noise_is_one_operator_inside_the_context_alone() -> None:
    module, batch = Noise(5), {0: torch.export.Dim("batch")}
    with as_one_operator():
        whole = torch.export.export(module, (SEEDS,), dynamic_shapes=(batch,))
        inside = module(SEEDS)
    parts = torch.export.export(module, (SEEDS,), dynamic_shapes=(batch,))
    called = [node.target for node in whole.graph.nodes if node.op == "call_function"]
    assert called.count(operator()) == 1
    assert operator() not in [node.target for node in parts.graph.nodes]
    for made in (inside, module(SEEDS), whole.module()(SEEDS), parts.module()(SEEDS)):
        torch.testing.assert_close(made, gaussian(SEEDS, 5), rtol=0, atol=0)
