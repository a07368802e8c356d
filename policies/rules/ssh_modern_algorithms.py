"""SSH agrees on algorithms that are not known to be weak, and on no others."""

from __future__ import annotations

from collections.abc import Iterator

from policies.readers import on_sshd
from policies.rule import Answer, Example, Rule, Violated
from policies.sshd import settings

MODERN = {
    "kexalgorithms": (
        "mlkem768x25519-sha256",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
    ),
    "ciphers": ("aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr"),
    "macs": ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com"),
    "hostkeyalgorithms": ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com", "rsa-sha2-512", "rsa-sha2-256"),
}
"""Settings, and the algorithms that each may name. `chacha20-poly1305` is left out for its prefix truncation
(CVE-2023-48795), and MACs that are made over the plain text as well."""


def _judge(text: str) -> Iterator[Answer]:
    found = settings(text)
    for name, modern in MODERN.items():
        value = found.get(name, "")
        weak = [one for one in value.split(",") if one not in modern]
        if not value:
            yield Violated(f"`{name}` is missing, so that all of OpenSSH's own hold, old ones among them")
        elif weak:
            yield Violated(f"`{name}` names {', '.join(weak)}")


def _text(**changes: str) -> dict[str, str]:
    held = {name: ",".join(modern) for name, modern in MODERN.items()} | changes
    lines = (f"{name} {value}" for name, value in held.items() if value)
    return {"/etc/ssh/sshd_config.d/00-cloister.conf": "\n".join(lines) + "\n"}


RULE = Rule(
    id="ssh-modern-algorithms",
    title="SSH agrees on modern algorithms alone",
    family="hosts",
    severity="high",
    why=(
        "Whoever stands between may offer both sides an old algorithm, and break what they then agree on. What is "
        "recorded today with a weak key exchange is read as soon as that is broken."
    ),
    remediation=(
        "The role `ssh` writes the lists (`ssh_key_exchange`, `ssh_ciphers`, `ssh_macs`); `deploy up` puts them back, "
        "and `deploy audit` reads what the server goes by."
    ),
    controls=(
        "cis-debian 5.1.6",
        "cis-debian 5.1.12",
        "cis-debian 5.1.15",
        "cis-ubuntu 5.1.6",
        "cis-ubuntu 5.1.12",
        "cis-ubuntu 5.1.15",
        "nist SC-13",
        "iso27001 A.8.24",
    ),
    references=("https://man.openbsd.org/sshd_config", "https://terrapin-attack.com/"),
    good=(
        Example("modern ones", files=_text()),
        Example("one of each", files=_text(kexalgorithms="curve25519-sha256", ciphers="aes256-gcm@openssh.com")),
    ),
    bad=(
        Example("a key exchange with SHA-1", files=_text(kexalgorithms="diffie-hellman-group14-sha1")),
        Example("a cipher in CBC mode beside a good one", files=_text(ciphers="aes256-gcm@openssh.com,aes128-cbc")),
        Example("MD5", files=_text(macs="hmac-md5")),
        Example("OpenSSH's own lists", files=_text(ciphers="")),
        Example("additions to the defaults", files=_text(kexalgorithms="+diffie-hellman-group1-sha1")),
    ),
    on_hosts=on_sshd(_judge),
)
