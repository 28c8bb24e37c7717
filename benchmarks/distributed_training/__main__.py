"""`python -m litho.benchmarks.distributed_training`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
