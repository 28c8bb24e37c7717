"""The Triton backend `litho`: what runs inside the server, one model for every bundle.

`litho server install` puts `model.py` where Triton looks for a backend of that name; the rest is imported from the
installed package. Old deployments hold a `model.py` of their own, and Triton's Python backend runs that.
"""

__all__ = ["BACKEND"]

BACKEND = "litho"
"""Its name: `backend` in a configuration, and its folder in the directory of backends."""
