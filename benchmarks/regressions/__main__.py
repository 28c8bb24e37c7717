"""`python -m litho.benchmarks.regressions`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
