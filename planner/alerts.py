"""Who is told when an alert fires: receivers of the operator's choice, over TLS alone."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from planner.errors import PlanError
from planner.networks import parse, within
from planner.plan import (
    AlertsPlan,
    ConsumersPlan,
    Decision,
    EmailPlan,
    NetworkPlan,
    Outside,
    SecretRef,
    Target,
    WebhookPlan,
)
from planner.profile import AlertsSection, EmailSection, WebhookSection

HTTPS = 443
TOKEN, PASSWORD = "alert-webhook-token", "alert-smtp-login"


def plan_alerts(section: AlertsSection, target: Target) -> AlertsPlan | None:
    """Settle who is told, and where they are; None when nobody is.

    Raises:
        PlanError: a receiver cannot be reached by what is given, or a field is given that another one needs.

    """
    if section.watchdog_s and not section.webhook:
        raise PlanError(
            "`alerts.watchdog_s` needs `alerts.webhook`: it takes a program to notice that nothing comes any more",
            hint="Name the webhook of a service that watches for silence, or leave it out.",
        )
    if not section.webhook and not section.email:
        return None
    return AlertsPlan(
        webhook=_webhook(section.webhook, target) if section.webhook else None,
        email=_email(section.email, target) if section.email else None,
        watchdog_s=section.watchdog_s or 0,
    )


def check_reached(alerts: AlertsPlan | None, network: NetworkPlan, consumers: ConsumersPlan) -> None:
    """Refuse receivers that no route of a private network leads to.

    Raises:
        PlanError: one is neither in the network nor in one that is joined with it.

    """
    reached = (network.vpc_cidr, *(cidr for joined in consumers.joined for cidr in joined.cidrs))
    networks = tuple(one for one in map(parse, reached) if one is not None)
    for server in alerts.servers if alerts and not network.given else ():
        if server.address and not within(server.address, networks):
            raise PlanError(
                f"no route of the private network leads to {server.address}, which alerts are to be sent to",
                hint="Name a receiver inside of it, or of a network that `aws.transit_gateway` or `aws.peering` "
                "joins with it: nodes reach nothing else.",
            )


def alert_secrets(alerts: AlertsPlan | None) -> tuple[SecretRef, ...]:
    """Name what receivers ask to be shown."""
    found = []
    if alerts and alerts.webhook and alerts.webhook.token_file:
        found.append(SecretRef(name=TOKEN, purpose="shown to the receiver of alerts", on_hosts=True))
    if alerts and alerts.email and alerts.email.password_file:
        found.append(SecretRef(name=PASSWORD, purpose="logs in on the mail server of alerts", on_hosts=True))
    return tuple(found)


def alert_decisions(alerts: AlertsPlan | None) -> tuple[Decision, ...]:
    """Say who is told."""
    if alerts is None:
        return ()
    who = []
    if alerts.webhook:
        who.append(f"{alerts.webhook.server.name}:{alerts.webhook.server.port} (webhook)")
    if alerts.email:
        who.append(f"{', '.join(alerts.email.to)} (mail)")
    why = "named in the profile; over TLS alone"
    if alerts.watchdog_s:
        why += f", and every {alerts.watchdog_s} s a sign of life"
    return (Decision(what="alerts", choice="; ".join(who), why=why),)


def _webhook(section: WebhookSection, target: Target) -> WebhookPlan:
    try:
        url = urlsplit(section.url)
        host, port = url.hostname or "", url.port or HTTPS
    except ValueError as error:
        raise PlanError(f"`alerts.webhook.url`: {error}", hint="https://HOST[:PORT]/PATH") from None
    if not host or url.username is not None or url.fragment:
        raise PlanError(
            "`alerts.webhook.url`: it has no host, or it has a user or a fragment",
            hint="https://HOST[:PORT]/PATH. What shall stay secret goes into `alerts.webhook.token_file`.",
        )
    return WebhookPlan(
        url=section.url,
        server=_server("webhook", host, port, section.address, target),
        token_file=section.token_file,
        ca=section.ca,
    )


def _email(section: EmailSection, target: Target) -> EmailPlan:
    if bool(section.user) != bool(section.password_file):
        raise PlanError(
            "`alerts.email.user` and `alerts.email.password_file` go together", hint="Give both, or neither."
        )
    return EmailPlan(
        server=_server("email", section.host, section.port, section.address, target),
        sender=section.sender,
        to=section.to,
        user=section.user,
        password_file=section.password_file,
        ca=section.ca,
    )


def _server(receiver: str, name: str, port: int, address: str, target: Target) -> Outside:
    """Return where a receiver is: a name that is an address needs no other.

    The sandbox's services are processes of this machine, which finds receivers as it finds others.
    """
    if target == "sandbox":
        return Outside(name=name, port=port)
    if not address:
        try:
            address = str(ipaddress.ip_address(name))
        except ValueError:
            raise PlanError(
                f"`alerts.{receiver}.address` is needed: hosts have no DNS to ask where {name} is",
                hint="Give the receiver's IPv4 or IPv6 address, by which the firewall lets hosts out to it as well.",
            ) from None
    try:
        at = ipaddress.ip_address(address)
    except ValueError as error:
        raise PlanError(
            f"`alerts.{receiver}.address`: {error}", hint="Give the receiver's IPv4 or IPv6 address, not its name."
        ) from None
    if at.is_unspecified or at.is_multicast:
        raise PlanError(f"`alerts.{receiver}.address`: nobody has {address} alone", hint="Name the receiver's own.")
    return Outside(name=name, port=port, address=str(at))
