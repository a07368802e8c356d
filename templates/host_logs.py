"""How a host sends its records away as they are written: Fluent Bit's configuration, and its unit."""

from __future__ import annotations

from planner.logs import log_group
from planner.plan import Plan
from templates.environment import environment

CONFIG_FOLDER = "/etc/cloister-logs"
STATE_FOLDER = "/var/lib/cloister-logs"
"""Where it remembers how far it has read, and keeps what is not sent yet: the unit's `StateDirectory`."""


def render_host_logs(plan: Plan, node: str, state: str = STATE_FOLDER) -> dict[str, str]:
    """Return the text of each file by its path on the host.

    Args:
        plan: whose records, and where they go.
        node: name of the node in the plan, which is the name of its stream in each group.
        state: where the program keeps what it must remember.

    Raises:
        KeyError: the plan has no such node.

    """
    if node not in {one.name for one in plan.nodes}:
        raise KeyError(node)
    context = {
        "config": CONFIG_FOLDER,
        "groups": {source.name: log_group(plan.stack, source.name) for source in plan.logs.sources},
        "node": node,
        "region": plan.network.region,
        "sources": plan.logs.sources,
        "state": state,
    }
    places = {
        f"{CONFIG_FOLDER}/fluent-bit.yaml": "host_logs/fluent-bit.yaml.j2",
        "/etc/systemd/system/cloister-logs.service": "host_logs/cloister-logs.service.j2",
    }
    return {path: environment().get_template(name).render(context) for path, name in places.items()}
