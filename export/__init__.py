"""Turn a trained generator into graphs and engines, and prove each against the original."""
