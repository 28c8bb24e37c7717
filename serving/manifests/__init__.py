"""Objects of Kubernetes and KServe: the chart's values from what a repository serves, rendered by Helm."""
