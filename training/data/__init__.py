"""Data to train on, in memory, and the sources it comes from, one file a source."""
