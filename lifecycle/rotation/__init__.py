"""`rotate`: certificates, authorities and keys are replaced while the stack serves."""
