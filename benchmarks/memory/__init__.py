"""Memory under a long load."""
