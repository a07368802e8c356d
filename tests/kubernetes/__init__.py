"""What asks a cluster, tried on a real control plane."""
