"""`python -m litho.benchmarks.registries`."""

from .measure import main

if __name__ == "__main__":
    import typer

    typer.run(main)
