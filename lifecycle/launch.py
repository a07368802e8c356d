"""`python -I -S launch.py SPEC`: becomes a service, with its limits set and its secrets in its environment.

Standard library only, and few modules of it: every service starts through this. Secrets go from their files into the
environment here, so that they stand neither on a command line nor in the supervisor's configuration.
"""

import ctypes
import json
import os
import resource
import sys

PR_SET_NO_NEW_PRIVS = 38
"""linux/prctl.h: from here on no program gains rights that this one lacks."""


def main(path: str) -> None:
    """Read the specification and become the service."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib would double the start-up time
        spec = json.load(file)
    # Private writable memory. RLIMIT_AS would count what Go reserves and never touches.
    _limit(resource.RLIMIT_DATA, spec["memory_bytes"])
    _limit(resource.RLIMIT_NOFILE, spec["open_files"])
    _limit(resource.RLIMIT_CORE, 0)  # a core would hold prompts and keys
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    environment = {**spec["env"]}
    for name, secret in spec["secret_env"].items():
        with open(secret, encoding="utf-8") as file:  # noqa: PTH123 - as above
            environment[name] = file.read().strip()
    os.umask(0o077)
    os.chdir(spec["folder"])
    os.execve(spec["argv"][0], spec["argv"], environment)  # noqa: S606 - the argument list is the substrate's own


def _limit(kind: int, wanted: int) -> None:
    _, hard = resource.getrlimit(kind)
    bounded = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(kind, (bounded, bounded))


if __name__ == "__main__":
    main(sys.argv[1])
