"""The policy pack that the Pulumi engine starts: `pulumi preview --policy-pack policies`."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # The engine runs this folder as a program, so that the folder itself is on the path and its parent is not.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

    from pulumi_policy import PolicyPack

    from policies.pack import NAME, policies, rules_of_stack

    PolicyPack(NAME, policies(rules_of_stack()))  # serves, and does not return
