"""In-flight batching of samplers, without a server."""
