"""`python -m litho.benchmarks.capacity`."""

import typer

from .check import main

if __name__ == "__main__":
    typer.run(main)
