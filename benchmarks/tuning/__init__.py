"""Find the serving settings that suit a bundle on this machine: `litho bench tune`.

`space` says what is tried, `search` what is tried next (optuna), `serving` deploys and loads one candidate, `judge`
compares it with the default that was measured in turns with it, and `tune` does all of it within a budget.
"""

from .documents import Goal, TuneResult, read_tuning
from .summary import lines, table, verdict
from .tune import deploy_command, tune

__all__ = ["Goal", "TuneResult", "deploy_command", "lines", "read_tuning", "table", "tune", "verdict"]
