"""Drive a runner with MLPerf LoadGen: `python -m litho.benchmarks.mlperf TARGET`."""

from .run import command

if __name__ == "__main__":
    command()
