"""Which name clients find the endpoint by."""

from __future__ import annotations

import pytest

from planner.errors import PlanError
from planner.plan import TlsPlan
from planner.private_name import plan_private_name


def tls(*hostnames: str) -> TlsPlan:
    return TlsPlan(mode="given-certificate", hostnames=hostnames, leaf_days=30)


@pytest.mark.parametrize(
    ("hostnames", "name"),
    [
        (("localhost", "127.0.0.1", "::1", "s.cloister.internal"), "s.cloister.internal"),
        (("llm.example.com", "s.cloister.internal"), "s.cloister.internal"),
        (("*.example.com", "10.0.0.1", "llm.example.com"), "llm.example.com"),
    ],
)
def test_name(hostnames: tuple[str, ...], name: str) -> None:
    plan = plan_private_name(tls(*hostnames), "s", ("vpc-00000001",))
    assert plan is not None
    assert (plan.name, plan.consumer_vpc_ids) == (name, ("vpc-00000001",))


@pytest.mark.parametrize("hostname", ["*.example.com", "10.0.0.1", "fd00::1", "localhost", "-x.example.com"])
def test_what_is_no_name_of_a_zone(hostname: str) -> None:
    assert plan_private_name(tls(hostname), "s", ()) is None
    with pytest.raises(PlanError, match="consumer_vpc_ids"):
        plan_private_name(tls(hostname), "s", ("vpc-00000001",))
