"""`sweep`: what is left of which stack, what it costs, and what it may delete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifecycle import sweep as verb
from lifecycle.home import Home
from lifecycle.sweeping.records import Place
from lifecycle.teardown_certificate import Certificate
from planner.errors import DeployError, UsageError
from planner.progress import Silent
from planner.tags import STACK_TAG
from tests.lifecycle.sweeping.scripted import Scripted


def _tags(stack: str) -> list[dict[str, str]]:
    return [{"Key": STACK_TAG, "Value": stack}]


class Region:
    """Two lost stacks, one in use here, one that has nothing but a role here, and a stranger's volume."""

    def __init__(self) -> None:
        self.volumes: list[dict[str, Any]] = [
            {"VolumeId": f"vol-{stack}", "Size": 100, "VolumeType": "gp3", "State": "available", "Tags": _tags(stack)}
            for stack in ("lost", "other", "here")
        ]
        self.volumes.append({"VolumeId": "vol-stranger", "Size": 1, "VolumeType": "gp3", "Tags": []})
        self.roles = [{"RoleName": f"{stack}-node", "Path": "/"} for stack in ("lost", "far")]
        self.clients = Scripted(
            {
                ("ec2", "describe_volumes"): lambda _: {"Volumes": list(self.volumes)},
                ("ec2", "delete_volume"): self.delete,
                ("iam", "list_roles"): lambda _: {"Roles": list(self.roles)},
                ("iam", "list_role_tags"): lambda asked: {"Tags": _tags(asked["RoleName"].removesuffix("-node"))},
                ("iam", "get_role"): lambda asked: {"Role": asked},
                ("iam", "list_attached_role_policies"): lambda _: {"AttachedPolicies": []},
                ("iam", "list_role_policies"): lambda _: {"PolicyNames": []},
                ("iam", "delete_role"): self.delete_role,
            }
        )

    def delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.volumes = [one for one in self.volumes if one["VolumeId"] != asked["VolumeId"]]
        return {}

    def delete_role(self, asked: dict[str, Any]) -> dict[str, Any]:
        self.roles = [one for one in self.roles if one["RoleName"] != asked["RoleName"]]
        return {}

    def place(self, stack: str | None = None) -> Place:
        return Place(self.clients, "123456789012", stack)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.stack("here").folder.mkdir(parents=True)
    return home


def test_all_stacks_are_told_apart_and_nothing_is_changed(home: Home) -> None:
    region = Region()
    report = verb.sweep(home, region.place(), Silent())
    told = {one.stack: (one.in_use, one.elsewhere, one.usd_per_month) for one in report.stacks}
    assert told == {
        "far": (False, True, 0.0),
        "here": (True, False, 8.0),
        "lost": (False, False, 8.0),
        "other": (False, False, 8.0),
    }
    assert [one.stack for one in report.leftovers] == ["lost", "other"]
    assert not report.ok
    assert not [name for name, _ in region.clients.calls if name.startswith("delete")]


def test_what_is_left_is_deleted_with_a_certificate_and_nothing_else(home: Home) -> None:
    region = Region()
    report = verb.take_away(home, region.place(), ["lost", "other"], Silent())
    assert report.ok
    assert {one["VolumeId"] for one in region.volumes} == {"vol-here", "vol-stranger"}
    assert [one["RoleName"] for one in region.roles] == ["far-node"]
    assert [one["VolumeId"] for one in region.clients.asked("delete_volume")] == ["vol-lost", "vol-other"]
    certificates = [msgspec.json.decode(Path(one).read_bytes(), type=Certificate) for one in report.certificates]
    assert [(one.stack, one.leftovers) for one in certificates] == [("lost", ()), ("other", ())]
    page = Path(report.certificates[0]).with_suffix(".md").read_text()
    assert "Nothing is left." in page
    assert "account 123456789012, us-east-2" in page
    assert "| volumes | 3 | 1 | 1 | 0 | ec2:DescribeVolumes |" in page


def test_a_stack_of_this_machine_is_never_deleted(home: Home) -> None:
    region = Region()
    with pytest.raises(DeployError, match="in use on this machine"):
        verb.take_away(home, region.place(), ["here"], Silent())
    assert region.clients.calls == []


def test_a_region_with_nothing_left_is_clean(home: Home) -> None:
    region = Region()
    region.volumes = region.volumes[-1:]
    region.roles = []
    report = verb.sweep(home, region.place(), Silent())
    assert report.ok
    assert report.stacks == ()


def test_one_stacks_role_is_its_leftover(home: Home) -> None:
    report = verb.sweep(home, Region().place("far"), Silent())
    assert [one.stack for one in report.leftovers] == ["far"]


def test_somebody_has_to_say_which_region(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home.root / "none"))
    with pytest.raises(UsageError, match="which region"):
        verb.place_of(home.stack("nowhere"), "", all_stacks=True)


def test_a_tag_that_is_no_name_is_left_to_whoever_wrote_it(home: Home) -> None:
    with pytest.raises(UsageError, match="no name for a stack"):
        verb.take_away(home, Region().place(), ["../etc"], Silent())


def test_left_things_have_their_price_in_the_certificate(home: Home) -> None:
    from lifecycle import teardown_certificate

    swept = verb.sweep(home, Region().place("lost"), Silent()).looked
    left = teardown_certificate.leftovers_of(swept)
    assert {(one.kind, one.id, one.usd_per_month) for one in left} == {
        ("volume", "vol-lost", 8.0),
        ("role", "lost-node", 0.0),
    }
    certificate = Certificate(
        stack="lost",
        profile="",
        begun_at="",
        ended_at="",
        removed=(),
        leftovers=left,
        looked=(),
        remarks=(),
        swept=swept,
    )
    page = teardown_certificate.page(certificate)
    assert "2 things are left." in page
    assert "What is left costs 8.00 USD a month" in page
    assert "- volume vol-lost (account 123456789012, us-east-2, 8.00 USD/month): 100 GiB gp3, available" in page
