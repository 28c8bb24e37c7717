"""`python -m litho.benchmarks.cold_start`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
