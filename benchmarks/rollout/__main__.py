"""`python -m litho.benchmarks.rollout`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
