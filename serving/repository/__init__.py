"""A model repository: deploy, roll back, prove on the running server; on disk or on object storage."""
