"""A stack in an emulated account, with its services' files, made once for the tests of the audit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lifecycle.home import Home
from lifecycle.profiles import load_profile
from lifecycle.provision import Provisioner
from lifecycle.stack import Stack
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.plan import to_json
from planner.progress import Silent
from templates.render import render
from tests.sandbox.aws.account import Account, account, clients

__all__ = ["account", "clients"]
NAME = "audited"


@pytest.fixture(scope="package")
def stack(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    port = urlsplit(account.url).port
    assert port is not None
    plan = make_plan(load_profile("2xh200"), load_catalogue(), Site(stack=NAME, ports={"aws.http": port}))
    home = Home(tmp_path_factory.mktemp("home")).stack(NAME)
    home.folder.mkdir(parents=True)
    home.plan.write_text(to_json(plan))
    provisioner = Provisioner(plan, home, Silent())
    provisioner.up()
    for name, text in render(plan, home.layout).items():
        path = Path(home.layout.config, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    yield Stack(home, plan, Silent())
    provisioner.destroy()
