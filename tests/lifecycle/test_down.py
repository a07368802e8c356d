"""`down` certifies what it has seen, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import msgspec
import pytest
from botocore.exceptions import ClientError

from lifecycle import down as module
from lifecycle import sweep
from lifecycle.down import down
from lifecycle.home import Home, StackHome
from lifecycle.stack import Stack
from lifecycle.teardown_certificate import Certificate
from planner.progress import Silent
from policies import examples

EXPIRED: Any = {"Error": {"Code": "RequestExpired", "Message": "Request has expired."}}


class Provisioner:
    """An account that answers, but not these credentials."""

    def account_answers(self) -> bool:
        return True

    def resources_or_none(self) -> None:
        return None

    def destroy(self) -> tuple[()]:
        return ()

    def clients(self) -> NoReturn:
        raise ClientError(EXPIRED, "GetCallerIdentity")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackHome:
    home = Home(tmp_path).stack("one")
    home.create()
    processes = SimpleNamespace(stop=lambda _: ())
    plan = msgspec.structs.replace(examples.plan(), target="aws")
    stack = SimpleNamespace(plan=plan, processes=processes, provisioner=Provisioner)
    monkeypatch.setattr(Stack, "load", lambda *_: stack)
    for asking in (module, sweep):
        monkeypatch.setattr(asking, "check_account", lambda *_: None)
    return home


def test_an_account_that_nobody_could_look_at_is_not_certified_empty(home: StackHome) -> None:
    report = down(home, Silent())
    assert not report.ok
    assert ("unknown", module.SWEEP) in [(one.kind, one.id) for one in report.leftovers]
    assert home.folder.is_dir(), "what the next `down` needs is still there"
    certificate = msgspec.json.decode(Path(report.certificate).read_bytes(), type=Certificate)
    assert certificate.leftovers == report.leftovers
    assert "RequestExpired" in str(certificate.remarks)
