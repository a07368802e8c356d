"""A profile's section for Langfuse, with images that nobody has."""

from __future__ import annotations

import msgspec

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan
from planner.profile import LangfuseSection

HOST = HostPlan(name="a", address="10.0.0.5", gpus=8)
REPOSITORIES = {
    "web": "registry.example/langfuse/langfuse",
    "worker": "registry.example/langfuse/langfuse-worker",
    "postgres": "registry.example/library/postgres",
    "clickhouse": "registry.example/clickhouse/clickhouse-server",
    "valkey": "registry.example/valkey/valkey",
    "store": "registry.example/versity/versitygw",
}
FIELDS = {
    "user": "operator@example.com",
    **{name: f"{place}@sha256:{number:064x}" for number, (name, place) in enumerate(REPOSITORIES.items(), 0xA1)},
}


def section(**changed: str) -> LangfuseSection:
    """Return a section that says everything, but for what is changed."""
    return msgspec.convert({**FIELDS, **changed}, LangfuseSection)


def langfuse_plan(profile: str = "2xh200", *, hosts: tuple[HostPlan, ...] = (HOST,), stand_in: bool = False) -> Plan:
    """Return the plan of a shipped profile with Langfuse, on hosts of one's own."""
    found = load_profile(profile)
    engine = msgspec.structs.replace(found.engine, stand_in=stand_in)
    found = msgspec.structs.replace(found, langfuse=section(), engine=engine)
    return make_plan(found, load_catalogue(), Site(stack="s", target="metal", hosts=hosts))
