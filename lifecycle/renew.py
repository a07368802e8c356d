"""`python -m lifecycle.renew STACK_FOLDER`: renews the certificate in time, for as long as the stack runs.

Traefik reads the new one at once: connections that are open go on undisturbed, new ones get the new certificate.
"""

from __future__ import annotations

import logging
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from lifecycle.home import Home
from lifecycle.pki import ensure_certificate
from lifecycle.stack import Stack
from planner.errors import DeployError

LOOK_EVERY_S = 3600
"""A leaf lives for days and is renewed when a third of that is left: an hour is soon enough."""

log = logging.getLogger("renewer")


def main(folder: Path) -> None:
    """Look now and then every hour, until the process is told to end."""
    stack = Stack.load(Home(folder.parent.parent).stack(folder.name))
    never = threading.Event()
    while True:
        try:
            state = ensure_certificate(stack.plan.tls, stack.layout, datetime.now(UTC))
            done = "; ".join(state.changes) or "nothing to do"
            log.info("certificate ends %s; %s", state.not_after.isoformat(), done)
        except DeployError as error:
            log.error("%s %s", error.message, error.hint)  # noqa: TRY400 - told in words; a trace would add nothing
        never.wait(LOOK_EVERY_S)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    main(Path(sys.argv[1]))
