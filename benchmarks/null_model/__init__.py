"""Both load generators against a model that does nothing."""
