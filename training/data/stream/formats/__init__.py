"""Formats of shards, one a file: how a shard is divided into chunks, and how a chunk is read."""
