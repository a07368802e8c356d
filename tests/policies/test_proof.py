"""The proof of a rule finds what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policies.proof import faults, profile_fields
from policies.rule import Example, NotKnown
from policies.rules.no_api_pages import RULE

VERBS = frozenset({"plan"})


def test_a_sound_rule_has_no_fault() -> None:
    assert list(faults(RULE, file="no_api_pages", verbs=VERBS)) == []


def broken(_: Any) -> list[NotKnown]:
    raise KeyError("surprise")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": "other"}, "its file is"),
        ({"family": "magic"}, "family"),
        ({"severity": "grave"}, "severity"),
        ({"on_plan": None}, "no check"),
        ({"title": "Ends."}, "title"),
        ({"why": "One sentence."}, "two sentences"),
        ({"references": ()}, "reference"),
        ({"references": ("http://example.test",)}, "reference"),
        ({"remediation": "Do something."}, "names neither"),
        ({"remediation": "Run `deploy magic`."}, "no command"),
        ({"remediation": "Set `model.name` and `model.colour`."}, "model.colour"),
        ({"controls": ()}, "no control"),
        ({"controls": ("nist ZZ-99",)}, "ZZ-99"),
        ({"controls": ("astrology 1",)}, "astrology"),
        ({"good": RULE.good[:1]}, "1 good examples"),
        ({"bad": RULE.bad[:1]}, "1 bad examples"),
        ({"bad": (*RULE.bad, Example("sound", plan=RULE.good[0].plan))}, "accepts the bad example 'sound'"),
        ({"good": (*RULE.good, Example("spoilt", plan=RULE.bad[0].plan))}, "refuses the good example 'spoilt'"),
        ({"bad": (RULE.bad[0], RULE.bad[0])}, "one name"),
        ({"on_plan": broken}, "breaks on the bad example"),
    ],
)
def test_every_fault_is_named(changes: dict[str, Any], said: str) -> None:
    found = list(faults(replace(RULE, **changes), file="no_api_pages", verbs=VERBS))
    assert any(said in fault for fault in found), found


def test_fields_are_named_as_they_are_written() -> None:
    assert {"data.class", "model.lora.max_rank", "policies", "aws.network.vpc_id"} <= set(profile_fields())
