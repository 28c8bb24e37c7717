"""A running Triton server: what it serves, loading and unloading its models, and which repository it serves."""
