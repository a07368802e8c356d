"""From nodes that run to an endpoint that answers: the step of `up` that installs the services on the nodes."""

from __future__ import annotations

from lifecycle.stack import Stack
from planner.errors import DeployError
from planner.outputs import Outputs

LACKING = "this version makes the network and the nodes, but installs no services on them: there will be no endpoint"
"""Said before anything is paid for."""


def configure_nodes(stack: Stack, outputs: Outputs) -> tuple[str, ...]:
    """Install and start the services, wait until the endpoint answers, and return the names of its models.

    Raises:
        DeployError: as yet always: what was made is named, and nobody is told of an endpoint that is not there.

    """
    nodes = ", ".join(f"{node.name} ({node.instance_id}, {node.private_ip})" for node in outputs.nodes)
    price = stack.plan.cost.usd_per_hour
    billed = "at a price that nobody knows" if price is None else f"for {price:,.2f} USD per hour"
    raise DeployError(
        f"the nodes of {stack.plan.stack!r} run, {billed}, but no service is configured on them: there is no endpoint",
        hint=f"`deploy down --stack {stack.plan.stack}` takes everything away; `deploy status` shows what runs.",
        code="not_configured",
        details=(
            ("made", f"{outputs.vpc_id} in {stack.plan.network.region}, account {stack.plan.account.number}"),
            ("nodes", nodes),
            ("not yet", ", ".join(service.name for service in stack.plan.services)),
        ),
    )
