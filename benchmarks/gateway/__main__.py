"""Measure the gateway: `python -m litho.benchmarks.gateway BUNDLE [--only PART]`."""

from .run import command

if __name__ == "__main__":
    command()
