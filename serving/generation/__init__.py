"""Images from a run, a bundle or an endpoint, written to files or to shards."""
