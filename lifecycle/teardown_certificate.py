"""The proof that a stack is gone: what was there, what was removed, what is left, and how it was looked for."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lifecycle import files
from lifecycle.home import StackHome
from lifecycle.sweeping.swept import KindSwept, Remaining, Swept
from planner.tags import STACK_TAG


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that `down` took away."""

    kind: str
    name: str


class Leftover(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is still there."""

    kind: str
    id: str
    where: str
    detail: str = ""
    usd_per_month: float | None = None
    """None where it costs nothing by itself, or nobody knows the price."""
    why: str = ""
    """Why it is there still, where that is known."""


class HostReturned(msgspec.Struct, frozen=True, kw_only=True):
    """A host that was given back.

    Attributes:
        before: how many things of each kind it had before the first change.
        after: how many it has now.
        other: what is otherwise than before, and was not ours: kind and name.

    """

    name: str
    address: str
    before: dict[str, int]
    after: dict[str, int]
    other: tuple[str, ...]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What `down` found and did. Times are ISO 8601, UTC."""

    schema: int = 2
    stack: str
    profile: str
    begun_at: str
    ended_at: str
    removed: tuple[Removed, ...]
    leftovers: tuple[Leftover, ...]
    looked: tuple[str, ...]
    """How it was looked for, a sentence each."""
    remarks: tuple[str, ...]
    swept: Swept | None = None
    """The account, kind by kind; None where no account was asked."""
    hosts: tuple[HostReturned, ...] = ()
    """Of the target `metal`: how each host was before, and is now."""


def write(home: StackHome, certificate: Certificate) -> Path:
    """Write the certificate as JSON, with a readable page beside it, into the archive; return the JSON's path."""
    stamp = certificate.ended_at.replace(":", "").replace("+0000", "Z")
    path = files.make_private_folder(home.home.archive) / f"{home.name}-{stamp}.json"
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{home.name}-{stamp}-{number}.json")
    files.write(path, msgspec.json.format(msgspec.json.encode(certificate), indent=2))
    files.write(path.with_suffix(".md"), page(certificate))
    return path


def latest(home: StackHome) -> Path | None:
    """Return the newest certificate of a stack of this name."""
    folder = home.home.archive
    mine = [path for path in folder.glob(f"{home.name}-*.json") if _is_of(path, home.name)] if folder.is_dir() else []
    return max(mine, key=lambda path: path.stat().st_mtime_ns, default=None)


def _is_of(path: Path, stack: str) -> bool:
    """Tell whether it certifies this stack, and not one whose name begins alike."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate).stack == stack
    except (OSError, msgspec.MsgspecError):
        return False


def page(certificate: Certificate) -> str:
    """Return the certificate as a page for people."""
    removed = [f"- {item.kind}: {item.name}" for item in certificate.removed] or ["- nothing was there"]
    leftovers = [_left(item) for item in certificate.leftovers] or ["- nothing"]
    looked = [f"- {sentence}" for sentence in certificate.looked]
    remarks = [f"- {sentence}" for sentence in certificate.remarks]
    lines = [
        f"# Teardown of stack `{certificate.stack}`",
        "",
        f"{_verdict(certificate)} Begun {certificate.begun_at}, ended {certificate.ended_at}.",
        f"Profile: {certificate.profile or 'not known'}.",
        "",
        "## Left",
        "",
        *leftovers,
        "",
        "## How it was looked for",
        "",
        *looked,
        *(_account(certificate.swept) if certificate.swept else []),
        *_hosts(certificate.hosts),
        "",
        "## Removed",
        "",
        *removed,
        *(["", "## Remarks", ""] if remarks else []),
        *remarks,
    ]
    return "\n".join(lines) + "\n"


def removed_by(swept: Swept) -> tuple[Removed, ...]:
    """Return what a sweep deleted."""
    return tuple(Removed(kind=one.kind, name=one.id) for one in swept.deleted)


def leftovers_of(swept: Swept) -> tuple[Leftover, ...]:
    """Return what a sweep could not delete, and the kinds of which nobody can say that nothing is left."""
    where = f"account {swept.account}, {swept.region}"
    left = [
        Leftover(kind=one.kind, id=one.id, where=where, detail=one.detail, usd_per_month=one.usd_per_month, why=one.why)
        for one in swept.left
    ]
    unknown = [Leftover(kind=one.kind, id="not looked at", where=where, why=one.why_not) for one in swept.not_looked_at]
    return (*left, *unknown)


def sentence(swept: Swept) -> str:
    """Say how an account was looked through, and what came of it."""
    looked = [kind for kind in swept.kinds if not kind.why_not]
    since = f", and what is new since {swept.baseline_at:%Y-%m-%d %H:%M} UTC" if swept.baseline_at else ""
    unknown = f"; NOT looked at: {', '.join(kind.title for kind in swept.not_looked_at)}" if swept.not_looked_at else ""
    return (
        f"account {swept.account}, {swept.region}, {swept.at:%Y-%m-%d %H:%M:%S} UTC: everything tagged "
        f"{STACK_TAG}={swept.stack or '(any)'}{since}, {len(looked)} of {len(swept.kinds)} kinds, "
        f"{sum(kind.looked_at or 0 for kind in looked)} things: {len(swept.left)} left{unknown}"
    )


def _verdict(certificate: Certificate) -> str:
    unknown = certificate.swept.not_looked_at if certificate.swept else ()
    left = len(certificate.leftovers) - len(unknown)
    if left <= 0 and not unknown:
        return "Nothing is left."
    said = [f"{left} {'thing is' if left == 1 else 'things are'} left."] if left > 0 else []
    said += [f"{len(unknown)} kinds could not be looked at: nobody can say that nothing is left."] if unknown else []
    return " ".join(said)


def _left(item: Leftover) -> str:
    cost = f", {item.usd_per_month:,.2f} USD/month" if item.usd_per_month else ""
    notes = "; ".join(part for part in (item.detail, item.why) if part)
    return f"- {item.kind} {item.id} ({item.where}{cost}){': ' + notes if notes else ''}"


def _account(swept: Swept) -> list[str]:
    """Return the account's part of the page: a line for each kind, then what has a story of its own."""
    lines = ["", "| what | looked at | the stack's | deleted | left | asked |", "|---|---|---|---|---|---|"]
    lines += [_row(kind) for kind in swept.kinds]
    if swept.usd_per_month:
        lines += ["", f"What is left costs {swept.usd_per_month:,.2f} USD a month, as far as prices are known."]
    for title, items in (
        (
            "Waits for its deletion: nobody can use it",
            [f"{s.kind} {s.id}: gone on {s.gone_on:%Y-%m-%d}" for s in swept.scheduled],
        ),
        ("Kept", [_remaining(one) for one in swept.kept]),
        (
            "New since the stack, on what is the stack's, without its tag: not touched",
            [_remaining(one) for one in swept.untagged],
        ),
    ):
        if items:
            lines += ["", f"{title}:", "", *(f"- {item}" for item in items)]
    return lines


def _hosts(hosts: tuple[HostReturned, ...]) -> list[str]:
    """Return the hosts' part of the page: a line for each, then what others changed meanwhile."""
    if not hosts:
        return []
    kinds = tuple(hosts[0].before)
    lines = [
        "",
        f"| host | {' | '.join(f'{kind}s before, after' for kind in kinds)} |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for host in hosts:
        numbers = " | ".join(f"{host.before[kind]}, {host.after[kind]}" for kind in kinds)
        lines.append(f"| {host.name} ({host.address}) | {numbers} |")
    for host in hosts:
        if host.other:
            lines += ["", f"Otherwise than before on {host.name}, and not by us:", ""]
            lines += [f"- {thing}" for thing in host.other]
    return lines


def _row(kind: KindSwept) -> str:
    if kind.why_not:
        return (
            f"| {kind.title} | **not looked at**: {kind.why_not} | | | {kind.left or '?'} | {', '.join(kind.calls)} |"
        )
    numbers = f"{kind.looked_at} | {kind.found} | {kind.deleted} | {kind.left}"
    return f"| {kind.title} | {numbers} | {', '.join(kind.calls)} |"


def _remaining(one: Remaining) -> str:
    notes = "; ".join(part for part in (one.detail, one.why) if part)
    return f"{one.kind} {one.id}{': ' + notes if notes else ''}"
