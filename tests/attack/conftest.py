"""The command line in this process, as tests/cli has it."""

from ..cli.conftest import error_of, litho_command, litho_here

__all__ = ["error_of", "litho_command", "litho_here"]
