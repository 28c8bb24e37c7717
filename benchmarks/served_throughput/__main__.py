"""`python -m litho.benchmarks.served_throughput`."""

import typer

from .run import main

if __name__ == "__main__":
    typer.run(main)
