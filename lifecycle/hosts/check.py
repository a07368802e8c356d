"""`hosts check`: connect, read, judge; nothing is changed."""

from __future__ import annotations

import msgspec

from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import Needs, Verdict, fit, fits
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.ssh import Login, connect
from lifecycle.hosts.sudo import prove_sudo
from planner.catalogue import load_catalogue
from planner.errors import DeployError


class HostReport(msgspec.Struct, frozen=True, kw_only=True):
    """One host. `facts` is None where it could not be looked at, and `error` says why."""

    name: str
    address: str
    fits: bool
    error: str = ""
    error_code: str = ""
    hint: str = ""
    verdicts: tuple[Verdict, ...] = ()
    facts: Facts | None = None


class HostsReport(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts that serve."""

    fits: bool
    profile: str
    """What they were held against; empty for none."""
    hosts: tuple[HostReport, ...]


def check(inventory: Inventory, login: Login, *, needs: Needs | None = None, profile: str = "") -> HostsReport:
    """Look at every serving host; one that cannot be looked at does not keep the others from being."""
    reports = tuple(_check_one(inventory, host, login, needs) for host in inventory.serving)
    return HostsReport(fits=all(report.fits for report in reports), profile=profile, hosts=reports)


def _check_one(inventory: Inventory, host: Host, login: Login, needs: Needs | None) -> HostReport:
    try:
        with connect(inventory.way_to(host), login) as connection:
            facts = read_facts(connection)
            if login.sudo_password and not facts.root:
                prove_sudo(connection, login.sudo_password)
                facts = msgspec.structs.replace(facts, root=True)
    except DeployError as error:
        return HostReport(
            name=host.name,
            address=host.address,
            fits=False,
            error=error.message,
            error_code=error.code,
            hint=error.hint,
        )
    verdicts = fit(host, facts, needs, load_catalogue())
    return HostReport(name=host.name, address=host.address, fits=fits(verdicts), verdicts=verdicts, facts=facts)
