"""A stack that has been made, or is being made: its plan, and the parts that carry it out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from lifecycle.home import StackHome
from lifecycle.parts import resolve
from planner.errors import DeployError
from planner.layout import Layout
from planner.plan import Plan, from_json
from planner.progress import Progress, Silent

if TYPE_CHECKING:
    from lifecycle.processes import Processes
    from lifecycle.provision import Provisioner


class Stack:
    """Everything that a verb needs of one stack."""

    def __init__(self, home: StackHome, plan: Plan, progress: Progress | None = None) -> None:
        self.home = home
        self.plan = plan
        self.progress = progress or Silent()

    @classmethod
    def load(cls, home: StackHome, progress: Progress | None = None) -> Stack:
        """Read a stack from its folder.

        Raises:
            DeployError: there is no such stack, or its plan cannot be read.

        """
        try:
            plan = from_json(home.plan.read_bytes())
        except FileNotFoundError:
            raise no_such_stack(home) from None
        except (OSError, msgspec.MsgspecError) as error:
            raise DeployError(
                f"the plan of stack {home.name!r} cannot be read: {error}",
                hint=f"`deploy up --stack {home.name} --profile NAME` writes it anew; "
                f"`deploy down --stack {home.name}` takes away what is there.",
                code="plan_unreadable",
            ) from None
        return cls(home, plan, progress)

    @property
    def layout(self) -> Layout:
        """The stack's folders."""
        return self.home.layout

    @property
    def url(self) -> str:
        """Where clients reach the endpoint (OpenAI's base URL without `/v1`)."""
        port = self.plan.port("traefik", "https")
        if self.plan.hosts:
            address = self.plan.hosts[0].address
            name = f"[{address}]" if ":" in address else address
            return f"https://{name}" if port == 443 else f"https://{name}:{port}"
        if self.plan.target == "sandbox":
            return f"https://{self.plan.tls.name_at('127.0.0.1')}:{port}"
        name = self.plan.private_name.name if self.plan.private_name else self.plan.tls.hostnames[-1]
        return f"https://{name}" if port == 443 else f"https://{name}:{port}"

    @property
    def ca_file(self) -> str:
        """The authority that clients trust."""
        return f"{self.layout.tls}/ca.pem"

    @cached_property
    def processes(self) -> Processes:
        """The services of this machine.

        Raises:
            DeployError: they belong on nodes or hosts.

        """
        self.check_served()
        if self.plan.target != "sandbox":
            raise DeployError(
                f"the services of {self.plan.stack!r} run on its hosts, not on this machine",
                hint="`deploy status`, `deploy logs` and `deploy verify` go there.",
                code="not_here",
            )
        from lifecycle.processes import Processes  # noqa: PLC0415 - loads the supervisor's client, which `token` needs not

        return Processes(self.plan, self.layout, resolve, self.progress)

    def check_served(self) -> None:
        """Refuse to speak of services and an endpoint where none are.

        Raises:
            DeployError: the stack's services belong on nodes, and are not configured there.

        """
        if self.plan.target == "aws" and not self.home.nodes.is_file():
            raise DeployError(
                f"no services are configured on the nodes of {self.plan.stack!r}: there is no endpoint",
                hint="`deploy status` shows the nodes.",
                code="not_configured",
            )

    def provisioner(self) -> Provisioner:
        """Return what makes and unmakes the resources.

        Raises:
            DeployError: the stack is on hosts, and has none.

        """
        if self.plan.target == "metal":
            raise DeployError(
                f"{self.plan.stack!r} is on hosts: there is no account with resources",
                hint="`deploy verify` looks at the hosts; `deploy up` again brings them to the plan.",
                code="no_account",
            )
        from lifecycle.provision import Provisioner  # noqa: PLC0415 - loads handlers and policies, which `status` needs not

        return Provisioner(self.plan, self.home, self.progress)

    def runs(self, service: str) -> bool:
        """Tell whether a service runs now."""
        return any(state.name == service and state.state == "RUNNING" for state in self.processes.status())


def no_such_stack(home: StackHome) -> DeployError:
    """Return the error that names the stacks there are."""
    names = ", ".join(stack.name for stack in home.home.stacks())
    return DeployError(
        f"there is no stack {home.name!r}",
        hint=f"Stacks here: {names}." if names else "`deploy up --profile 2xh200` makes one.",
        code="no_such_stack",
    )
