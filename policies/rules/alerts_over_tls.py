"""Alerts leave over TLS to receivers that are verified, and nobody else speaks with Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.networks import is_private
from planner.plan import Plan, Service
from policies import examples
from policies.about import where
from policies.engine import Words, option
from policies.files import Unit
from policies.readers import both, is_loopback, on_alertmanager, on_units
from policies.rule import Answer, Example, Rule, Violated
from policies.values import at

JUDGED = frozenset({"name", "webhook_configs", "email_configs"})
INLINE = ("auth_password", "auth_secret")
"""Settings that hold a secret; `..._file` names where it lies."""


def on_plan(plan: Plan) -> Iterator[Answer]:
    """Judge where receivers are, and how Alertmanager is started."""
    for server in plan.alerts.servers if plan.alerts else ():
        if server.address and not is_private(server.address):
            yield Violated(f"alerts go to {server.address}, which is in no private network")
    for service in _managers(plan):
        yield from _words(service.name, service.args)


def _managers(plan: Plan) -> list[Service]:
    return [service for service in plan.services if service.artefact == "alertmanager"]


def _on_unit(unit: Unit) -> Iterator[Answer]:
    for line in unit.values("ExecStart"):
        yield from _words(unit.name, tuple(line.split()))


def _words(where: str, words: Words) -> Iterator[Answer]:
    addresses = [word.partition("=")[2] for word in words if word.startswith("--web.listen-address")]
    if not addresses or not all(map(is_loopback, addresses)):
        yield Violated(f"{where} listens beyond this host: whoever reaches it silences alerts (`--web.listen-address`)")
    if option(words, "--cluster.listen-address") != "":
        yield Violated(f"{where} takes others as its peers (`--cluster.listen-address=` is missing)")


def _on_file(config: Any) -> Iterator[Answer]:
    for name in sorted(set(at(config, "global") or ()) - {"resolve_timeout"}):
        yield Violated(f"`global.{name}` holds for every receiver, and no rule judges it")
    for receiver in at(config, "receivers") or ():
        for kind in sorted(set(receiver) - JUDGED):
            yield Violated(f"the receiver {at(receiver, 'name')} has `{kind}`, which no rule judges")
        for webhook in at(receiver, "webhook_configs") or ():
            yield from _webhook(webhook)
        for email in at(receiver, "email_configs") or ():
            yield from _email(email)


def _webhook(webhook: Any) -> Iterator[Answer]:
    url, client = str(at(webhook, "url") or ""), at(webhook, "http_config")
    if not url.startswith("https://"):
        yield Violated(f"alerts go to {url or 'nobody knows where'} in the clear (`url`)")
    if at(client, "follow_redirects") is not False:
        yield Violated(f"{url} may send alerts on to others (`follow_redirects` is not false)")
    for name in sorted(set(client or ()) - {"follow_redirects", "tls_config", "authorization"}):
        yield Violated(f"{url} is asked by `http_config.{name}`, which no rule judges")
    if set(at(client, "authorization") or ()) - {"type", "credentials_file"}:
        yield Violated(f"the token for {url} stands in the file (`authorization`)")
    yield from _verified(url, client)


def _email(email: Any) -> Iterator[Answer]:
    server = str(at(email, "smarthost"))
    if at(email, "require_tls") is not True:
        yield Violated(f"mails may go to {server} in the clear (`require_tls`)")
    for name in INLINE:
        if at(email, name):
            yield Violated(f"the password for {server} stands in the file (`{name}`)")
    yield from _verified(server, email)


def _verified(server: str, section: Any) -> Iterator[Answer]:
    if at(section, "tls_config", "insecure_skip_verify"):
        yield Violated(f"whoever answers as {server} gets the alerts (`insecure_skip_verify`)")
    if at(section, "tls_config", "min_version") not in {"TLS12", "TLS13"}:
        yield Violated(f"{server} may be asked with an old TLS (`min_version`)")


_CLIENT: dict[str, Any] = {"follow_redirects": False, "tls_config": {"min_version": "TLS12"}}
_HOOK = {"url": "https://alerts.example.test/", "http_config": _CLIENT}
_ANYBODY = {"min_version": "TLS12", "insecure_skip_verify": True}
_MAIL = {"smarthost": "mail.example.test:587", "require_tls": True, "tls_config": {"min_version": "TLS12"}}


def _receiver(**fields: Any) -> dict[str, str]:
    return examples.alertmanager({"receivers": [{"name": "operators", **fields}]})


def _hook(**changes: Any) -> dict[str, str]:
    return _receiver(webhook_configs=[{**_HOOK, **changes}])


def _mail(**changes: Any) -> dict[str, str]:
    return _receiver(email_configs=[{**_MAIL, **changes}])


def _started(*args: str) -> Plan:
    return examples.changed(services=(examples.service("alertmanager", args=args),))


RULE = Rule(
    id="alerts-over-tls",
    title="Alerts leave over TLS, to receivers that are verified",
    family="network",
    severity="high",
    why=(
        "Alerts say what is broken: in the clear they tell an intruder what nobody has mended yet, and "
        "a receiver that is not verified can be played by anybody. Whoever reaches Alertmanager itself silences it."
    ),
    remediation=(
        "Name receivers in `[alerts.webhook]` (`https://`) and `[alerts.email]`, in private networks, with the "
        "authority that signed their certificates in `ca`; `deploy alerts test` tries them."
    ),
    controls=("nist SC-8", "nist AC-4", "iso27001 A.8.16", "soc2 CC6.7"),
    references=("https://prometheus.io/docs/alerting/latest/configuration/",),
    good=(
        Example("a webhook", files=_hook()),
        Example("mails", files=_mail()),
        Example(
            "a token in a file",
            files=_hook(http_config={**_CLIENT, "authorization": {"credentials_file": "/t"}}),
        ),
        Example(
            "on loopback, by itself",
            plan=_started("--web.listen-address=127.0.0.1:9093", "--cluster.listen-address="),
        ),
        Example("nobody is told", files={}),
    ),
    bad=(
        Example("in the clear", files=_hook(url="http://alerts.example.test/")),
        Example("redirects", files=_hook(http_config={"tls_config": {"min_version": "TLS12"}})),
        Example("by a proxy", files=_hook(http_config={**_CLIENT, "proxy_url": "http://10.0.0.1"})),
        Example(
            "a token in the file",
            files=_hook(http_config={**_CLIENT, "authorization": {"credentials": "shown"}}),
        ),
        Example("anybody's certificate", files=_mail(tls_config=_ANYBODY)),
        Example("an old TLS", files=_mail(tls_config={})),
        Example("mails in the clear", files=_mail(require_tls=False)),
        Example("a password in the file", files=_mail(auth_password="hunter2")),  # noqa: S106 - that is the example
        Example("another kind of receiver", files=_receiver(slack_configs=[{"channel": "#all"}])),
        Example("settings for all", files=examples.alertmanager({"global": {"smtp_require_tls": False}})),
        Example("every address", plan=_started("--web.listen-address=:9093", "--cluster.listen-address=")),
        Example("a cluster", plan=_started("--web.listen-address=127.0.0.1:9093")),
        Example(
            "a cluster, in a unit",
            files=examples.unit(
                {"ExecStart": "/usr/bin/prometheus-alertmanager --web.listen-address=127.0.0.1:9093"},
                "cloister-alertmanager",
            ),
        ),
        Example("a receiver on the internet", plan=examples.told_at("203.0.113.5")),
    ),
    on_plan=where(
        lambda plan: plan.alerts or any(service.artefact == "alertmanager" for service in plan.services), on_plan
    ),
    on_files=both(on_alertmanager(_on_file), on_units(_on_unit, "cloister-alertmanager")),
)
