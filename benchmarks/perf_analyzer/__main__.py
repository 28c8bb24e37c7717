"""`python -m litho.benchmarks.perf_analyzer`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
