"""litho's load generator beside NVIDIA's perf_analyzer, on the same server."""
