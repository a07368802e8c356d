"""The files that say what runs on a machine of a stack, before there is any."""

from __future__ import annotations

from lifecycle.hosts.fit import LOWEST_SYSTEMD
from planner.catalogue import load_catalogue
from planner.layout import Layout
from planner.plan import HostPlan, Plan


def node_files(plan: Plan, layout: Layout) -> dict[str, str]:
    """Return what one machine is given, path -> text: on AWS the first node, units and sockets among it; all are alike.

    Args:
        plan: of the stack.
        layout: folders of a stack whose services are processes of this machine.

    """
    if plan.target != "aws":
        from templates.render import render  # noqa: PLC0415 - Jinja takes long to load

        return render(plan, layout)
    from templates.hosts import HostAbilities, render_host  # noqa: PLC0415 - as above

    node = HostPlan(name=plan.nodes[0].name, gpus=plan.nodes[0].gpus)
    files = render_host(plan, load_catalogue(), node, HostAbilities(systemd=LOWEST_SYSTEMD))
    return {f"{node.name}{file.path}": file.text for file in files}
