"""What a bundle's page shows: the choice between variants, tables, plots, pictures."""
