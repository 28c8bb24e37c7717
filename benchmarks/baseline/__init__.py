"""Ratios that hardly depend on the machine, against stored ones."""
