"""Plans whose alerts are told, by webhook and by mail."""

from __future__ import annotations

import msgspec

from lifecycle.profiles import load_profile
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import HostPlan, Plan, Target
from planner.profile import AlertsSection, EmailSection, WebhookSection

HOST = HostPlan(name="a", address="10.0.0.5", gpus=8)
WEBHOOK = WebhookSection(
    url="https://alerts.example.test:8443/hook", address="10.42.9.9", token_file="token", ca="webhook-ca.pem"
)
EMAIL = EmailSection(
    host="mail.example.test",
    address="10.42.9.8",
    sender="cloister@example.test",
    to=("a@example.test", "b@example.test"),
    user="cloister",
    password_file="password",
)
BOTH = AlertsSection(webhook=WEBHOOK, email=EMAIL, watchdog_s=300)


def told_plan(alerts: AlertsSection = BOTH, profile: str = "poc", target: Target = "metal") -> Plan:
    """Return the plan of a shipped profile with these receivers."""
    told = msgspec.structs.replace(load_profile(profile), alerts=alerts)
    hosts = (HOST,) if target == "metal" else ()
    return make_plan(told, load_catalogue(), Site(stack="s", target=target, hosts=hosts))
