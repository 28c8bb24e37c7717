"""`python -m litho` is the `litho` command."""

from .cli import main

main()
