"""A bundle's report: the recommended variant, tables, plots and pictures."""
