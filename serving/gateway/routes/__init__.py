"""The paths that the gateway answers, one subject a file; being there registers it."""
