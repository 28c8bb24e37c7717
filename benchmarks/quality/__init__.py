"""Quality of trained presets, beside their targets."""
