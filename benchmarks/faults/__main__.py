"""Plant faults in a served model: `python -m litho.benchmarks.faults BUNDLE [--only NAME]`."""

from .run import command

if __name__ == "__main__":
    command()
