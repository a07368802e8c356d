"""Places for what hosts must know and nobody else may: names only, the values are put there later."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from planner.plan import Plan
from planner.secrets import secret_id
from stacks.naming import child_of, tags_of


class Secrets(pulumi.ComponentResource):
    """An empty entry of Secrets Manager for each secret that hosts read, under the stack's key.

    The values are in no program, plan or state: whoever holds them puts them in.
    """

    def __init__(self, name: str, plan: Plan, key_arn: pulumi.Output[str]) -> None:
        super().__init__("cloister:aws:Secrets", name)
        for secret in plan.secrets:
            if secret.on_hosts:
                aws.secretsmanager.Secret(
                    f"{name}-{secret.name}",
                    name=secret_id(plan.stack, secret.name),
                    description=secret.purpose,
                    kms_key_id=key_arn,
                    # A stack that is gone leaves nothing behind, and its name is free at once.
                    recovery_window_in_days=0,
                    tags=tags_of(plan, f"{name}-{secret.name}"),
                    opts=child_of(self, one_at_a_time=True),
                )
        self.register_outputs({})
