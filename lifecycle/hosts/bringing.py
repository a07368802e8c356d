"""From hosts that are logged in on and locked to an endpoint that answers. Each step may be killed and run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lifecycle.hosts.acceptance import accept
from lifecycle.hosts.at_once import at_once
from lifecycle.hosts.facts import Facts, read_facts
from lifecycle.hosts.fit import but_for_our_own, fit, fits, needs_of
from lifecycle.hosts.image_room import PackedImage, rooms_on
from lifecycle.hosts.inventory import Inventory
from lifecycle.hosts.kept import arrival
from lifecycle.hosts.log_shipping import log_shipping_variables
from lifecycle.hosts.play_variables import firewall_variables, host_variables
from lifecycle.hosts.serve_stack import serve_stack
from lifecycle.hosts.session import HostSession, OpenHost
from lifecycle.hosts.subject import endpoint_of
from lifecycle.journal import Journal
from lifecycle.stack import Stack
from lifecycle.up import wait_for_endpoint
from planner.capacity import Drain
from planner.catalogue import load_catalogue
from planner.contents import contents_of
from planner.errors import DeployError
from planner.images import folder_of
from planner.layout import BUNDLES
from planner.plan import Plan
from planner.spanning import heads_of, part_of

APT_CONFIG = "/opt/cloister/apt/apt.conf"
"""Of the role `bundle`: names the bundle as the only source of packages."""


class DoesNotFitError(DeployError):
    """A host is not what the plan asks for; nothing was changed."""

    code = "host_does_not_fit"


class Bringing:
    """One run over the hosts of a stack, whichever they are.

    Attributes:
        changed: what was changed on all hosts so far.

    """

    def __init__(self, session: HostSession, stack: Stack, journal: Journal) -> None:
        self.session = session
        self.stack = stack
        self.journal = journal
        self.progress = session.progress
        self.changed = 0

    def look(self, images: Sequence[PackedImage] = ()) -> dict[str, Facts]:
        """Read the hosts' facts, and refuse one that does not fit before anything is changed on any.

        Args:
            images: that are to be installed from a bundle: their room is counted.

        Raises:
            DoesNotFitError: one does not fit.

        """
        with self.progress.step("hosts, looked at"):
            looked = at_once(lambda one: _look(one, self.stack.plan, images), self.session.hosts)
        return {one.host.name: facts for one, facts in zip(self.session.hosts, looked, strict=True)}

    def install(self, bundle: str, folder: str = BUNDLES) -> None:
        """Install from a bundle that lies on each host, and from it alone.

        Args:
            bundle: its id.
            folder: where bundles lie on the hosts.

        Raises:
            DeployError: it is not there, or not whole, or a host was lost.

        """
        contents = contents_of(self.stack.plan, load_catalogue())
        variables = {
            "bundle_id": bundle,
            "bundle_folder": folder,
            "bundle_packages": list(contents.packages),
            "runtime_environments": list(contents.environments),
            "runtime_images": [
                {"repository": image.repository, "digest": image.digest, "folder": folder_of(image)}
                for image in contents.images
            ],
        }
        self.changed += self.session.play("install", variables).changed

    def prepare(self, facts: Mapping[str, Facts], inventory: Inventory, *, from_bundle: bool) -> None:
        """Bring the system itself to what it should be: packages, storage, audit, SSH, firewall.

        Raises:
            DeployError: a host failed or was lost.

        """
        arrived = at_once(lambda one: arrival(one.connection), self.session.hosts)
        arrivals = {one.host.name: way for one, way in zip(self.session.hosts, arrived, strict=True)}
        of_hosts = {
            one.host.name: {
                **host_variables(one.host, facts[one.host.name], inventory),
                **firewall_variables(self.stack.plan, one.host.name, inventory, arrivals),
            }
            for one in self.session.hosts
        }
        variables = log_shipping_variables(self.stack.plan.logs)
        source = {"prepare_apt_config": APT_CONFIG} if from_bundle else {}
        with self.progress.step("prepare"), self.journal.step("prepare"):
            self.changed += self.session.play("prepare", {**variables, **source}, of_hosts=of_hosts).changed

    def accept(self) -> None:
        """Bring GPU drivers in order and accept the GPUs, with evidence; nothing where an imitation serves.

        Raises:
            DeployError: a host is refused, failed or was lost; the message says what speaks against it.

        """
        counted = {planned.gpus for planned in self.stack.plan.hosts}
        with self.progress.step("GPUs"), self.journal.step("GPUs"):
            self.changed += accept(
                self.session.play,
                [one.host.name for one in self.session.hosts],
                self.stack.plan,
                load_catalogue(),
                evidence=self.stack.home.folder / "evidence",
                exactly=counted.pop() if len(counted) == 1 else None,
            ).changed

    def serve(self, facts: Mapping[str, Facts], drain: Drain | None = None) -> None:
        """Start the services, or restart those that run with something older.

        Args:
            facts: of each host by its name.
            drain: when nodes in a Capacity Block are left.

        Raises:
            DeployError: one does not become healthy, or a host was lost.

        """
        with self.progress.step("services"), self.journal.step("services"):
            self.changed += serve_stack(self.session, self.stack, facts, drain).changed

    def answers(self) -> tuple[str, ...]:
        """Ask every endpoint from here, straight or through SSH, and return the names of its models.

        Raises:
            DeployError: one does not answer.

        """
        models: tuple[str, ...] = ()
        with self.progress.step("endpoint answers"), self.journal.step("endpoint answers"):
            for planned in heads_of(self.stack.plan):
                way = endpoint_of(self.stack, self.session.kept, planned, self.session.login)
                with way as (address, reached):
                    models = wait_for_endpoint(self.stack, host=address, reached=reached)
        return models


def _look(one: OpenHost, plan: Plan, images: Sequence[PackedImage]) -> Facts:
    facts, catalogue = read_facts(one.connection), load_catalogue()
    planned = next(host for host in plan.hosts if host.name == one.host.name)
    rooms = rooms_on(one.connection, images)
    needs = msgspec.structs.replace(needs_of(part_of(plan, planned), catalogue), rooms=rooms)
    verdicts = fit(one.host, facts, but_for_our_own(needs) if one.keeper.owner else needs, catalogue)
    if fits(verdicts):
        return facts
    against = [verdict for verdict in verdicts if verdict.state == "no"]
    raise DoesNotFitError(
        f"{one.host.name} does not fit the plan: "
        + "; ".join(f"{verdict.what}: {verdict.found}" for verdict in against),
        hint="Nothing was changed. `deploy hosts check` shows everything that was looked at.",
        details=tuple((verdict.what, verdict.remedy) for verdict in against),
    )
