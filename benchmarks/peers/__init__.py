"""A generator's variants against what works without litho: `python -m litho.benchmarks.peers runs/NAME [--served]`.

`in_process/` has the ways to make pictures in one process, `served/` the servers, a file for each. `run` measures and
`documents` says what was found.
"""

from .documents import Peer, Peers, Served, read_peers

__all__ = ["Peer", "Peers", "Served", "read_peers"]
