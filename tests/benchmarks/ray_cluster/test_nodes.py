"""The cluster of the benchmark, which the tests of pools use too."""

from litho.runners._pools.ray_cluster import Cluster


def test_a_cluster_of_nodes_answers_at_its_address(ray_address: str) -> None:
    host, _, port = ray_address.rpartition(":")
    assert host
    Cluster.look(ray_address)
    assert int(port) > 0
