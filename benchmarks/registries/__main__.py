"""`python -m litho.benchmarks.registries`."""

import typer

from .measure import main

if __name__ == "__main__":
    typer.run(main)
