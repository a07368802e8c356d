"""Who owns the machines of a plan."""

from __future__ import annotations

from planner.catalogue import load_catalogue
from planner.catalogue.rows import Provider
from planner.plan import Plan

PROVIDERS = {"aws": "aws"}
"""Target -> a row of `providers.toml`; machines of other targets are the operator's own, or named elsewhere."""


def provider_of(plan: Plan) -> Provider | None:
    """Return the provider; None where the machines are this one or the operator's own."""
    name = PROVIDERS.get(plan.target)
    return load_catalogue().providers[name] if name else None
