"""`python -m tests.engine.killed FOLDER URL STACK VERB COUNT [PYTHON]`: a verb whose engine is killed with SIGKILL.

It happens as the COUNTth operation begins; with a word for PYTHON this process is killed, too.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil

from sandbox.engine.changes import Event
from sandbox.handlers.clients import Boto3Clients
from tests.engine.site import Site, program

if __name__ == "__main__":
    folder, url, stack, verb, count, *also = sys.argv[1:]
    site = Site(Path(folder), url, Boto3Clients(url, "us-east-2"), stack)
    begun: list[Event] = []

    def listen(event: Event) -> None:
        if event.phase == "started":
            begun.append(event)
        if len(begun) == int(count):
            for child in psutil.Process().children():
                if child.name() == "pulumi":
                    child.kill()
            if also:
                os.kill(os.getpid(), signal.SIGKILL)

    engine = site.engine(listener=listen)
    engine.up(program(site.plan())) if verb == "up" else engine.destroy()
