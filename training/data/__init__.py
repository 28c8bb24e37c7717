"""Training data in memory, and its sources, one module each."""
