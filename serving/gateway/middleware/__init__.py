"""What every request passes, one file each; being there registers it."""
