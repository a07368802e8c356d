"""`python -m tests.sandbox.engine.killed STATE ACCOUNT MOMENT`: a run that is ended by SIGKILL at a given moment.

The account outlives the process: it is in a file.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from pathlib import Path

from tests.sandbox.engine.fakes import Account, Existing
from tests.sandbox.engine.programs import Graph, Node, engine, program

GRAPH: Graph = {"a": Node(), "b": Node(refs=("a",)), "only": Node(only=True, refs=("b",))}


class LastingAccount(Account):
    """An account in a file."""

    def __init__(self, path: Path, crash_at: int = 0) -> None:
        super().__init__(crash_at=crash_at)
        self.path = path
        if path.exists():
            self.things = load(path)
            self.made = len(self.things)

    def moment(self) -> None:
        with self.lock:
            self.moments += 1
            self.path.write_bytes(pickle.dumps({key: (t.type, t.inputs, t.whole) for key, t in self.things.items()}))
            if self.moments == self.crash_at:
                os.kill(os.getpid(), signal.SIGKILL)


def load(path: Path) -> dict[str, Existing]:
    return {key: Existing(*fields) for key, fields in pickle.loads(path.read_bytes()).items()}


if __name__ == "__main__":
    state, account, moment = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    engine(LastingAccount(account, moment), state).up(program(GRAPH))
