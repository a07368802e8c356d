"""`hosts check`: connect, read, judge, and say what would be changed; nothing is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import Needs, Verdict, fit, fits
from lifecycle.hosts.image_room import Kept, PackedImage, rooms_of, rooms_on
from lifecycle.hosts.inventory import Host, Inventory
from lifecycle.hosts.kept import arrival
from lifecycle.hosts.log_shipping import log_shipping_variables
from lifecycle.hosts.play_variables import firewall_variables, host_variables
from lifecycle.hosts.playbook import Outcome, play
from lifecycle.hosts.ssh import Login, connect
from planner.catalogue import load_catalogue
from planner.errors import DeployError
from planner.plan import Plan
from planner.progress import Progress


class WouldChange(msgspec.Struct, frozen=True, kw_only=True):
    """Something that `up` would change first on a host: the task, and how a file would differ where it is one."""

    task: str
    diff: str = ""


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
    changes: tuple[WouldChange, ...] | None = None
    """What preparing it would change; None where nobody asked, or it cannot be told. Services come on top."""


class HostsReport(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts that serve."""

    fits: bool
    profile: str
    """What they were held against; empty for none."""
    hosts: tuple[HostReport, ...]


def check(
    inventory: Inventory,
    login: Login,
    *,
    needs: Needs | None = None,
    profile: str = "",
    images: Sequence[PackedImage] | None = None,
) -> HostsReport:
    """Look at every serving host; one that cannot be looked at does not keep the others from being.

    Args:
        inventory: the hosts.
        login: how they are logged in on.
        needs: what they are held against; None for nothing.
        profile: its name.
        images: of the profile, as its bundle has them; None where no bundle was named.

    """
    reports = tuple(_check_one(inventory, host, login, needs, images) for host in inventory.serving)
    return HostsReport(fits=all(report.fits for report in reports), profile=profile, hosts=reports)


def with_changes(
    report: HostsReport, plan: Plan, inventory: Inventory, login: Login, progress: Progress
) -> HostsReport:
    """Have Ansible say, in its check mode, what preparing the hosts that fit would change.

    Raises:
        PlaybookError: it cannot say, or a host was lost meanwhile.

    """
    fitting = {one.name: one.facts for one in report.hosts if one.fits and one.facts}
    if not fitting:
        return report
    ways = {}
    for name in fitting:
        with connect(inventory.way_to(inventory.named(name)), login) as connection:
            ways[name] = arrival(connection)
    outcome = play(
        "prepare",
        inventory.serving_only(fitting),
        login,
        log_shipping_variables(plan.logs),
        progress,
        check=True,
        of_hosts={
            name: {
                **host_variables(inventory.named(name), facts, inventory),
                **firewall_variables(plan, name, inventory, ways),
            }
            for name, facts in fitting.items()
        },
    )
    hosts = (
        msgspec.structs.replace(one, changes=tuple(_changes(outcome, one.name))) if one.name in fitting else one
        for one in report.hosts
    )
    return msgspec.structs.replace(report, hosts=tuple(hosts))


def _changes(outcome: Outcome, host: str) -> Iterator[WouldChange]:
    diffs = {diff.task: diff.text for diff in outcome.diffs if diff.host == host}
    for result in outcome.results:
        if result.host == host and result.state == "changed":
            yield WouldChange(task=result.task, diff=diffs.get(result.task, ""))


def _check_one(
    inventory: Inventory, host: Host, login: Login, needs: Needs | None, images: Sequence[PackedImage] | None
) -> HostReport:
    try:
        with connect(inventory.way_to(host), login) as connection:
            facts = read_facts(connection)
            if needs and images is not None:
                # Who is not root there cannot ask what is there already.
                rooms = rooms_on(connection, images) if facts.root else rooms_of(images, Kept())
                needs = msgspec.structs.replace(needs, rooms=rooms)
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
