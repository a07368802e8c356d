"""A cluster of Kubernetes as its API tells it: listed, never watched, never changed, and judged as manifests are."""
