"""Clocks that are wrong, for hosts whose clock is that of the machine beneath and cannot be set."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.hosts.machine import Machine


@contextlib.contextmanager
def clock_of(machine: Machine, *, ahead_s: int = 0, synchronised: bool = True) -> Iterator[None]:
    """Have `date` and `timedatectl` of a host tell of another clock, for as long as the block lasts.

    Args:
        machine: the host.
        ahead_s: seconds before the true time; less than 0 for behind.
        synchronised: whether a time server keeps it right.

    """
    date = f'case "$*" in +%s) echo $(($(/usr/bin/date +%s) + {ahead_s})) ;; *) exec /usr/bin/date "$@" ;; esac'
    answer = "yes" if synchronised else "no"
    told = f'case "$*" in *NTPSynchronized*) echo {answer} ;; *) exec /usr/bin/timedatectl "$@" ;; esac'
    with machine.stand_in("date", date), machine.stand_in("timedatectl", told):
        yield
