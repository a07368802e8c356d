"""Nobody logs in by a password, and nothing is forwarded into the host."""

from __future__ import annotations

from collections.abc import Iterator

from policies.readers import on_sshd
from policies.rule import Answer, Example, Rule, Violated
from policies.sshd import settings

WANTED = {
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "permitrootlogin": ("no", "prohibit-password", "without-password"),
    "hostbasedauthentication": ("no",),
    "permituserenvironment": ("no",),
    "pubkeyauthentication": ("yes",),
    "x11forwarding": ("no",),
    "allowagentforwarding": ("no",),
    "gatewayports": ("no",),
    "permittunnel": ("no",),
}
"""Settings, and what each may be. Root logs in by a key alone, and only where the inventory names no other user."""


def _judge(text: str) -> Iterator[Answer]:
    found = settings(text)
    for name, good in WANTED.items():
        value = found.get(name)
        if value is None:
            yield Violated(f"nobody says what holds for `{name}`")
        elif value.lower() not in good:
            yield Violated(f"`{name}` is {value}, not {good[0]}")
    if "match" in found:
        yield Violated(f"a block (`Match {found['match']}`) says something else for some, which cannot be judged")


def _text(more: str = "", **changes: str) -> dict[str, str]:
    held = {name: good[0] for name, good in WANTED.items()} | changes
    lines = (f"{name} {value}" for name, value in held.items() if value)
    return {"/etc/ssh/sshd_config.d/00-cloister.conf": "\n".join((*lines, more)) + "\n"}


RULE = Rule(
    id="ssh-keys-only",
    title="SSH lets in keys alone, and forwards nothing into the host",
    family="hosts",
    severity="critical",
    why=(
        "Passwords are guessed by machines, day and night, at every SSH server that they find, and root's is guessed "
        "first. A forwarded agent or display lets whoever holds the host act as the operator elsewhere."
    ),
    remediation=(
        "The role `ssh` writes `sshd_config.d/00-cloister.conf`; `deploy up` puts it back, and `deploy audit` reads "
        "what the server goes by."
    ),
    controls=(
        "cis-debian 5.1.19",
        "cis-debian 5.1.20",
        "cis-ubuntu 5.1.19",
        "cis-ubuntu 5.1.20",
        "nist AC-17",
        "iso27001 A.8.5",
        "soc2 CC6.1",
    ),
    references=("https://man.openbsd.org/sshd_config",),
    good=(
        Example("keys alone", files=_text()),
        Example("root by a key, where there is no other user", files=_text(permitrootlogin="prohibit-password")),
    ),
    bad=(
        Example("passwords", files=_text(passwordauthentication="yes")),
        Example("passwords by another name", files=_text(kbdinteractiveauthentication="yes")),
        Example("root by a password", files=_text(permitrootlogin="yes")),
        Example("nothing said of empty passwords", files=_text(permitemptypasswords="")),
        Example("a forwarded agent", files=_text(allowagentforwarding="yes")),
        Example("a block for some", files=_text("Match User backup\n    PasswordAuthentication yes")),
    ),
    on_hosts=on_sshd(_judge),
)
