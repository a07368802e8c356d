"""What `verify` says of a host's clock: that it is right, and that something keeps it so."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import create_autospec

import msgspec
import pytest

from lifecycle.hosts.facts import Facts
from lifecycle.hosts.fit import plan_for_a_host
from lifecycle.hosts.ssh import Connection
from lifecycle.probes.hosts import HostProbe
from lifecycle.profiles import load_profile

FACTS = msgspec.json.decode((Path(__file__).parent / "facts" / "no-gpu.json").read_bytes(), type=Facts)


@pytest.fixture(scope="module")
def probe() -> HostProbe:
    plan = plan_for_a_host(load_profile("poc"))
    return HostProbe(plan, plan.hosts[0], create_autospec(Connection), straight=True)


@pytest.mark.parametrize(
    ("skew_s", "ok"), [(0.2, True), (30.0, True), (-30.0, True), (31.0, False), (-31.0, False), (3600.0, False)]
)
def test_a_clock_may_be_as_wrong_as_tokens_allow(probe: HostProbe, skew_s: float, ok: bool) -> None:
    check = probe._clock(msgspec.structs.replace(FACTS, clock_skew_s=skew_s))
    assert (check.id, check.ok) == ("host.host.clock", ok)
    assert f"{skew_s:+.0f} s" in check.detail


@pytest.mark.parametrize(
    ("service", "synchronised", "ok", "words"),
    [
        ("chrony", True, True, "chrony keeps the clock synchronised"),
        ("chrony", False, None, "says that it is not synchronised"),
        ("chrony", None, None, "cannot say whether it is"),
        ("", True, False, "no time service runs"),
        ("", False, False, "no time service runs"),
    ],
)
def test_something_must_keep_it_right(
    probe: HostProbe, service: str, synchronised: bool | None, ok: bool | None, words: str
) -> None:
    facts = msgspec.structs.replace(FACTS, time_service=service, synchronised=synchronised)
    check = probe._time_sync(facts)
    assert (check.id, check.ok) == ("host.host.time_sync", ok)
    assert words in check.detail
