"""All rules, in the order in which they are shown. Each file here holds one `RULE`; a test finds those left out."""

from __future__ import annotations

from policies.rule import Rule
from policies.rules import (
    deadline_switch,
    encrypted_at_rest,
    instance_metadata_v2,
    judged_types_only,
    least_privilege,
    named_consumers,
    no_internet_path,
    only_named_networks,
    private_buckets,
)

RULES: tuple[Rule, ...] = (
    no_internet_path.RULE,
    only_named_networks.RULE,
    named_consumers.RULE,
    instance_metadata_v2.RULE,
    encrypted_at_rest.RULE,
    private_buckets.RULE,
    least_privilege.RULE,
    deadline_switch.RULE,
    judged_types_only.RULE,
)
