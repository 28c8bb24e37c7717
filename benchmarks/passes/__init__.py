"""What the graph passes gain, on graphs that others export."""
