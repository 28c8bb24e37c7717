"""Runs `python -m litho.benchmarks.monitoring`."""

from .run import command

if __name__ == "__main__":
    command()
