"""`python -m litho.benchmarks.in_flight`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
