"""Prometheus' rules and Grafana's dashboard of the Helm chart, checked by a real Prometheus on a litho under load."""
