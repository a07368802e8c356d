"""What the words of Ansible, SSH and sudo mean for a person, and what to do next."""

from __future__ import annotations

import re

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """Something that goes wrong on hosts."""

    said: str
    """A regular expression that finds it in a message."""
    means: str
    next: str


# The first that fits is told: what is sure stands before what could be a consequence of it.
FAULTS = (
    Fault(
        r"HOST IDENTIFICATION HAS CHANGED|Host key verification failed",
        "another machine answers there, or somebody stands in between; nothing was sent",
        "If the host was installed anew, check the new fingerprint on its console, then put its `host_key` into the "
        "inventory.",
    ),
    Fault(
        r"[Ii]ncorrect sudo password|Sorry, try again",
        "sudo did not take the password that was given",
        "Give the right one with --sudo-password-file FILE, or `-` to be asked for it.",
    ),
    Fault(
        r"[Mm]issing sudo password|a password is required",
        "sudo asks this user for a password, and none was given",
        "Give it with --sudo-password-file FILE (`-` to be asked for it), or let the user use sudo without one for the "
        "time of the set-up.",
    ),
    Fault(
        r"not in the sudoers file|may not run sudo",
        "this user may not become root",
        "Log in as a user who may, or add the user to the group `sudo` on the host.",
    ),
    Fault(
        r"python3?: (command )?not found|/usr/bin/python3: (No such file|not found)|interpreter.* not found",
        "Python is not on the host, and Ansible's modules run on it",
        "Install it there (`apt-get install python3`), then run the same command again.",
    ),
    Fault(
        r"[Rr]ead-only file system|Errno 30",
        "a disk that must be written is mounted read-only, as the kernel does after an error of the disk",
        "Look at `dmesg` and `findmnt` on the host, mend the disk, and run the same command again.",
    ),
    Fault(
        r"No space left on device|Errno 28|[Dd]isk quota exceeded",
        "a disk of the host is full; files that were being replaced are as they were",
        "Free space (`df -h` and `df -i` on the host show where), then run the same command again.",
    ),
    Fault(
        r"[Cc]ould not get lock|dpkg frontend lock|apt/lists/lock",
        "another program installs packages on the host at the moment",
        "Wait until it is done (`ps -C apt-get,unattended-upgr` on the host), then run the same command again.",
    ),
    Fault(
        r"Permission denied \(publickey|Permission denied, please try again|Too many authentication failures",
        "the host does not let this user in with this key",
        "Check the user's name and that your key stands in its authorized_keys; --key FILE names one.",
    ),
    Fault(
        r"Connection (timed out|refused|closed|reset)|Timeout, server|No route to host|Broken pipe|kex_exchange"
        r"|[Uu]nreachable",
        "the host cannot be reached, or went away in the middle",
        "See whether it is up and its firewall lets SSH through, then run the same command again: it goes on "
        "where this one ended.",
    ),
)
UNKNOWN = Fault("", "", "What was done before stays. Mend what the message names, then run the same command again.")


def explained(message: str) -> Fault:
    """Return what a message means; `UNKNOWN` where nobody has met it yet."""
    return next((fault for fault in FAULTS if re.search(fault.said, message)), UNKNOWN)
