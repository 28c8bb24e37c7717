"""Data -> checkpoint: trains a generator and leaves a snapshot of it; knows nothing of graphs, engines or servers."""

import os

# OpenMP's threads spin while they wait for each other. On two cores with a busy neighbour that brought a training
# from 440 images/s to under 30; threads that sleep make 140 there, and 390 alone. The library reads it when loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
