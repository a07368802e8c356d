"""`verify` says until when the endpoint's certificate is good, and finds one that ends too soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifecycle.pki import ensure_certificate
from lifecycle.probes import tls
from lifecycle.probes.base import Subject
from planner.plan import TlsPlan
from tests.lifecycle.stack import layout_in
from tests.lifecycle.test_probe_consumers import serving
from tests.templates.stacks import plan_of

LIFE = timedelta(days=plan_of("2xh200").tls.leaf_days)


@pytest.mark.parametrize(("left", "ok"), [(LIFE, True), (timedelta(days=4), True), (timedelta(days=2), False)])
def test_a_certificate_that_ends_soon_is_found(tmp_path: Path, left: timedelta, ok: bool) -> None:
    layout = layout_in(tmp_path)
    ensure_certificate(plan_of("2xh200").tls, layout, datetime.now(UTC) - LIFE + left)
    with serving(layout.tls) as port:
        plan = plan_of("2xh200", ports={"traefik.https": port})
        check = tls._lasts(Subject(plan=plan, layout=layout, host="127.0.0.1", token=lambda: None))
    assert (check.id, check.ok) == ("tls.lasts", ok)
    assert "`deploy rotate cert`" in check.detail


@pytest.mark.parametrize(("days", "least"), [(30, timedelta(days=3)), (6, timedelta(days=1))])
def test_the_least_is_three_days_or_a_sixth_of_a_short_life(days: int, least: timedelta) -> None:
    plan = TlsPlan(mode="own-authority", hostnames=("localhost",), leaf_days=days)
    assert plan.least_left_s == least.total_seconds()
