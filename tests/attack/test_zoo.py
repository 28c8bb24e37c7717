"""Generators that nobody here wrote the exporter for: they go through every runtime and precision."""

import numpy as np
import pytest
import torch

from litho.export.source import open_source

from .zoo import ZOO


@pytest.mark.parametrize("name", ZOO)
def test_an_animal_of_the_zoo_paints(name: str) -> None:
    source = open_source(ZOO[name].build(), signature=ZOO[name].signature)
    signature = source.pipeline.signature
    given = signature.example(8)
    with torch.inference_mode():
        pictures = source.pipeline.model(*map(torch.from_numpy, given.values())).numpy().astype(float)
    assert pictures.shape == (8, *signature.output.usual_shape)
    assert pictures.std() > 30, "grey"
    assert np.isin(pictures, (0, 255)).mean() < 0.2, "saturated"
    assert np.abs(pictures[0] - pictures[1]).mean() > 5, "all the same"
