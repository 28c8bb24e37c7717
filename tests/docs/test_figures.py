"""Measured figures in README, CHANGELOG and docs are those of benchmarks/results."""

from litho.benchmarks.publish import publish


def test_every_published_figure_is_the_measured_one() -> None:
    assert publish(write=False) == (), "run make figures"
