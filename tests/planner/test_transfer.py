"""How long weights take: the slowest of what is on the way decides."""

from __future__ import annotations

import msgspec
import pytest

from lifecycle.profiles import load_profile, shipped_names
from planner.catalogue import load_catalogue
from planner.make_plan import Site, make_plan
from planner.profile import BundleSection
from planner.transfer import minutes, plan_bundle, push_time
from planner.units import GIB

CATALOGUE = load_catalogue()
P5EN = CATALOGUE.host("p5en.48xlarge")


def test_s3_is_the_limit_of_a_large_node() -> None:
    """2xH200: 237 GB at 4 GB/s, between 8 and 1.5; its card carries 25 GB/s, its disks 9."""
    bundle = make_plan(load_profile("2xh200"), CATALOGUE, Site(stack="s")).bundle
    gigabytes = bundle.weights_bytes / 1e9
    assert bundle.pull_limit == "S3"
    assert bundle.pull_s.typical == pytest.approx(gigabytes / 4, abs=0.1)
    assert bundle.pull_s.low == pytest.approx(gigabytes / 8, abs=0.1)
    assert bundle.pull_s.high == pytest.approx(gigabytes / 1.5, abs=0.1)


def test_small_disks_are_the_limit_of_a_small_machine() -> None:
    bundle = plan_bundle(BundleSection(), 16, CATALOGUE.host("g6e.2xlarge"), CATALOGUE)
    assert bundle.pull_limit == "writing to local disks"
    assert bundle.pull_s.typical == pytest.approx(16 * GIB / 1e9 / (0.3 * 0.45), abs=0.1)


def test_without_local_disks_the_root_disk_is_the_limit() -> None:
    bare = msgspec.structs.replace(P5EN, local_nvme_gb=None)
    bundle = plan_bundle(BundleSection(), 16, bare, CATALOGUE)
    assert bundle.pull_limit == "writing to the root disk"
    assert bundle.pull_s.typical == pytest.approx(16 * GIB / 0.125e9, abs=0.1)


def test_only_one_card_carries_it() -> None:
    """A p5e's 32 cards have 100 Gbit/s each; a slow one would be the limit."""
    slow = msgspec.structs.replace(P5EN, network_gbit_s=160.0, network_cards=16)
    bundle = plan_bundle(BundleSection(), 16, slow, CATALOGUE)
    assert bundle.pull_limit == "the network card"
    assert bundle.pull_s.typical == pytest.approx(16 * GIB / 1e9 / (10 / 8 * 0.8), abs=0.1)


@pytest.mark.parametrize("profile", shipped_names())
def test_every_plan_says_it(profile: str) -> None:
    plan = make_plan(load_profile(profile), CATALOGUE, Site(stack="s"))
    said = next(decision for decision in plan.decisions if decision.what == "weights to a node")
    assert minutes(plan.bundle.pull_s.typical) in said.choice
    assert plan.bundle.pull_s.low <= plan.bundle.pull_s.typical <= plan.bundle.pull_s.high


def test_a_push_takes_what_the_line_allows() -> None:
    """100 GB at 1 Gbit/s: 800 s, and more as the line carries other things."""
    took = push_time(100 * 10**9, 1000, CATALOGUE)
    assert (took.low, took.typical, took.high) == (842.1, 1000, 1600)


@pytest.mark.parametrize(("seconds", "said"), [(5, "5 s"), (89, "89 s"), (300, "5 min"), (7200, "2.0 h")])
def test_durations_as_people_say_them(seconds: float, said: str) -> None:
    assert minutes(seconds) == said
