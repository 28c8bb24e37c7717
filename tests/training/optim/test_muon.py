"""Without shards it is torch's Muon; with them see tests/training/run/test_sharding.py."""

import torch
from torch import nn

from litho.training.optim.muon import Muon


def test_on_whole_matrices_it_is_the_muon_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.Linear(5, 4, bias=False), nn.Linear(5, 4, bias=False)
    theirs.load_state_dict(ours.state_dict())
    pairs = [(ours, Muon(ours.parameters(), 0.1)), (theirs, torch.optim.Muon(theirs.parameters(), 0.1))]
    for _ in range(3):
        for network, optimizer in pairs:
            optimizer.zero_grad()
            network(torch.ones(2, 5)).square().sum().backward()
            optimizer.step()
    assert torch.equal(ours.weight, theirs.weight)
