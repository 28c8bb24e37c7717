"""`python -m litho.benchmarks.device_bench`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
