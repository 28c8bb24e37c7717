"""MLPerf LoadGen drives a runner: `python -m litho.benchmarks.mlperf TARGET --bundle BUNDLE --seconds 60`.

LoadGen (`mlcommons-loadgen`) decides when a query starts, takes the times and says whether a run is VALID; litho only
answers its queries. Each run of LoadGen is a process of its own (`answering`), whose logs are read back (`logs`). The
pictures that it logged, in accuracy mode and under load, are judged by the parity gate (`judgement`). A scenario is a
module of `scenarios`.

No figure of this module is an official MLPerf result: those have fixed models, last at least 600 s and are reviewed.
"""
