"""`python -m litho.benchmarks.null_model`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
