"""`python -m litho.benchmarks.ray_cluster`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
