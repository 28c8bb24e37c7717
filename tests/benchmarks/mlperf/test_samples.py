import numpy as np
import pytest

from litho.benchmarks.mlperf.samples import Samples


def test_samples_are_the_probes_of_all_banks_of_the_usual_size(samples: Samples) -> None:
    assert samples.banks[0].name == "probes"
    assert len(samples) == sum(len(bank.images) for bank in samples.banks) > 64
    assert all(len(values) == len(samples) for values in samples.inputs.values())
    assert samples.shape == samples.banks[0].images.shape[1:]
    bank, at = samples.bank_of(64)
    assert (bank, at) == (samples.banks[1], 0)
    rows = samples.rows([64, 0])
    assert all(
        np.array_equal(rows[name], [bank.inputs[name][0], samples.banks[0].inputs[name][0]]) for name in rows
    )


def test_there_are_no_samples_beyond_the_last(samples: Samples) -> None:
    with pytest.raises(IndexError):
        samples.bank_of(len(samples))
