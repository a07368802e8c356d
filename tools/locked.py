#!/usr/bin/env python3
"""`locked.py FILE COMMAND...`: run a command while no other does so under the same file; standard library only."""

import fcntl
import os
import signal
import sys


def main(path: str, *command: str) -> None:
    """Take the lock, waiting if need be, and become the command: the lock ends with the last of its processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while waiting needs no trace
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.stderr.write("deploy: waiting for another run that is making .venv\n")
        fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)  # noqa: FBT003 - the standard library's own signature
    os.execvp(command[0], command)  # noqa: S606 - the launcher's own words, with no shell between


main(*sys.argv[1:])
