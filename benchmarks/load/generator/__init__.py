"""The load generator: processes of their own that send requests to a server and note when each was answered.

`plan` says what is sent, `processes` runs it, `worker` is what runs there.
"""

from .outcomes import Outcomes, Picked
from .plan import Kind, Picks, Plan, Site
from .processes import Running, drive

__all__ = ["Kind", "Outcomes", "Picked", "Picks", "Plan", "Running", "Site", "drive"]
