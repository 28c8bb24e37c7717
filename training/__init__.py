"""Data -> checkpoint: trains a generator and leaves a snapshot of it; knows nothing of graphs, engines or servers."""
