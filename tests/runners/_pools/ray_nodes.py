"""Runs a Ray cluster of two nodes until standard input ends; Ray changes signals and streams of its process."""

import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from litho_toys import LACKING_NODE
from ray.cluster_utils import Cluster

STORE = 80 * 2**20

head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args=head)
cluster.add_node(num_cpus=1, object_store_memory=STORE, node_name="complete")
cluster.add_node(num_cpus=1, object_store_memory=STORE, node_name="lacking", env_vars={LACKING_NODE: "1"})
print("READY", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
