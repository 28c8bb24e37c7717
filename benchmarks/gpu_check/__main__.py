"""`python -m litho.benchmarks.gpu_check`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
