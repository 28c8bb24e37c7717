"""A result for people: the table of the terminal, the page, and its charts."""
