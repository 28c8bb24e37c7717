"""The embedded Triton server and its supervision."""
