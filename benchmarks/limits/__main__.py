"""`python -m litho.benchmarks.limits`."""

import typer

from .measure import main

if __name__ == "__main__":
    typer.run(main)
