"""Bundles: what hosts without a route to the internet install from; sealed, verified, pushed to a stack's bucket."""
