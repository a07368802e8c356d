"""Hosts that are reached by SSH: who they are, what they have, whether a plan fits them, and how they are prepared."""
