"""In-flight batching against whole requests, by a load generator in a process of its own."""
