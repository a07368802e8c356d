"""Pulumi's own engine, through its Automation API, with the verbs and answers of the in-process one."""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from pulumi import automation
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from lifecycle import files
from lifecycle.pulumi_cli import Cli, environment_of
from lifecycle.pulumi_events import Told
from lifecycle.pulumi_packs import staged
from lifecycle.pulumi_place import StateChoice
from lifecycle.pulumi_state import Finder, Mended, foreseen, mend, resources_of, wait_for_engine
from lifecycle.pulumi_version import cli_folder
from planner.errors import DeployError, LockedError, PolicyRefusedError
from planner.resources import Resource
from sandbox.engine.changes import Change, Drift, Event, Preview, Result
from sandbox.engine.failures import short

PARALLEL = 10
"""Operations at once: more of them, and AWS's API begins to refuse for their rate."""


@dataclass(frozen=True)
class Place:
    """Where the engine works: its files, the account, and where the account's provider comes from.

    Attributes:
        folder: of the stack, for what the engine keeps.
        home: folder of the plugins that are installed, shared between stacks.
        environment: names the account; comes over `given`.
        executables: name -> text of scripts that stand in for installed plugins.
        given: the environment of the person.
        choice: where the state is kept, and what seals its secrets.

    """

    folder: Path
    home: Path
    environment: Mapping[str, str]
    executables: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    choice: StateChoice = field(default_factory=StateChoice)

    @property
    def state(self) -> Path:
        """Folder of the engine's state, where it is on this machine."""
        return self.folder / "state"

    @property
    def locks(self) -> Path:
        """Folder of the engine's locks, where the state is on this machine."""
        return self.state / ".pulumi" / "locks"

    @property
    def backend(self) -> str:
        """URL of the engine's state.

        Its attribute files, which nothing reads, are left out: the engine writes them in place, so that one that is
        killed leaves an empty one, and then finds its own state unreadable ("failed to load checkpoint: EOF").
        """
        return self.choice.backend or f"file://{self.state}?metadata=skip"

    @property
    def passphrase(self) -> Path:
        """File with the passphrase that seals what is secret in the state."""
        return self.folder / "passphrase"

    def prepare(self) -> dict[str, str]:
        """Make what is missing, and return the engine's environment."""
        for made in (self.folder, self.home, self.state, self.folder / "bin"):
            files.make_private_folder(made)
        if not self.passphrase.exists():
            files.write(self.passphrase, secrets.token_urlsafe(32))
        for name, text in self.executables.items():
            files.write(self.folder / "bin" / name, text, mode=0o700)
        environment = environment_of(
            self.given,
            home=self.home,
            backend=self.backend,
            passphrase=self.passphrase,
            path=[*([self.folder / "bin"] if self.executables else []), cli_folder(self.home)],
            plugins_of_path=bool(self.executables),
        )
        return {**environment, **self.environment}


UNSAID = "changed"
"""In place of a value that the engine does not tell: it may be secret."""


class RealEngine:
    """Carries out one Pulumi program for one stack."""

    def __init__(
        self,
        *,
        project: str,
        stack: str,
        place: Place,
        configuration: Mapping[str, str],
        find: Finder,
        policy_packs: tuple[Path, ...] = (),
        listener: Callable[[Event], None] = lambda _: None,
        told_of_mending: Callable[[Mended], None] = lambda _: None,
    ) -> None:
        """Make an engine; nothing is looked for yet.

        Args:
            project: part of every URN.
            stack: part of every URN.
            place: where it works.
            configuration: of the stack, plain values by `project:key`; written to a file, never on a command line.
            find: looks in the account for what an interrupted creation left.
            policy_packs: folders of policy packs that judge previews and updates.
            listener: told about every operation.
            told_of_mending: told what a run that was killed had left, where there was something.

        """
        self.project = project
        self.stack = stack
        self.place = place
        self.configuration = configuration
        self.find = find
        self.policy_packs = policy_packs
        self.listener = listener
        self.told_of_mending = told_of_mending

    def preview(self, program: Callable[[], None]) -> Preview:
        """Say what the program registers and what that would change; the account is asked, and nothing is changed.

        Raises:
            PolicyRefusedError: a mandatory policy is violated.
            DeployError: the program or the engine failed.

        """
        stack = self._stack(program)
        with self._telling(lambda _: None) as told:  # what is only foreseen neither begins nor ends
            answer = stack.preview(json=True, on_event=told, policy_packs=self._packs(), parallel=PARALLEL)
        steps = json.loads(answer.stdout)["steps"]
        return Preview(
            resources=resources_of(foreseen(step) for step in steps if "newState" in step),
            changes=tuple(told.changes),
        )

    def up(self, program: Callable[[], None]) -> Result:
        """Bring the account to what the program says; after a crash, what it left is mended first.

        Raises:
            PolicyRefusedError: a mandatory policy is violated.
            DeployError: something failed; what was done is in the state, and the next run goes on from there.

        """
        stack = self._stack(program)
        self._mend(stack)
        with self._telling() as told:
            answer = stack.up(
                on_event=told,
                policy_packs=self._packs(),
                parallel=PARALLEL,
                continue_on_error=True,
                color="never",
                show_secrets=False,
            )
        outputs = {name: output.value for name, output in answer.outputs.items()}
        return Result(changes=tuple(told.changes), outputs=outputs)

    def refresh(self) -> tuple[Change, ...]:
        """Look at everything: what is gone leaves the state, what was changed by hand is noted for the next `up`."""
        stack = self._stack()
        self._mend(stack)
        return self._refresh(stack)

    def drift(self) -> tuple[Drift, ...]:
        """Look at everything; return what was changed or deleted behind our back, and write nothing."""
        stack = self._stack()
        with self._telling() as told:
            stack.preview_refresh(on_event=told, parallel=PARALLEL, color="never", show_secrets=False)
        ids = {resource.urn: resource.id for resource in self.resources()}
        return tuple(
            Drift(
                op=change.op,
                type=change.type,
                name=change.name,
                urn=change.urn,
                id=ids.get(change.urn, ""),
                now=dict.fromkeys(change.properties, UNSAID),
            )
            for change in told.changes
            if change.op != "same"
        )

    def destroy(self) -> Result:
        """Delete everything the state knows, dependents first; no program is needed.

        Raises:
            DeployError: something could not be deleted; the rest was.

        """
        stack = self._stack()
        self._mend(stack)
        with self._telling() as told:
            stack.destroy(on_event=told, parallel=PARALLEL, continue_on_error=True, color="never", show_secrets=False)
        return Result(changes=tuple(told.changes), outputs={})

    def repair(self, *, break_lock: bool = False) -> Mended:
        """Settle what a run that was killed left behind: locks that nobody holds, operations that never ended.

        Args:
            break_lock: release locks of a state that is kept elsewhere, of which nobody here can tell who holds them.

        Raises:
            LockedError: an engine on this machine still works on the stack.

        """
        stack = self._stack()
        if break_lock and self.place.choice.backend:
            with self._telling():
                stack.cancel()
            self._told(Mended(released=True))
        mended = self._mend(stack)
        return msgspec.structs.replace(mended, released=mended.released or break_lock)

    def resources(self) -> tuple[Resource, ...]:
        """Return what the state knows."""
        deployment = self._stack().export_stack().deployment or {}
        return resources_of(deployment.get("resources") or ())

    def _stack(self, program: Callable[[], None] | None = None) -> automation.Stack:
        """Return the stack, made when it is first asked for."""
        environment = self.place.prepare()
        cli = Cli(environment)
        # When the engine ends early, the SDK's language server cannot tell it so, and shows that as a traceback.
        logging.getLogger("grpc._server").setLevel(logging.CRITICAL)
        settings = automation.ProjectSettings(
            name=self.project, runtime="python", main=str(self.place.folder), description="Made by `deploy`."
        )
        workspace = automation.LocalWorkspace(
            work_dir=str(self.place.folder),
            project_settings=settings,
            program=program or _no_program,
            pulumi_command=cli,
            secrets_provider=self.place.choice.secrets_provider or None,
        )
        try:
            stack = automation.Stack.create_or_select(self.stack, workspace)
            known = self._settings(workspace)
            if known.config != dict(self.configuration):
                known.config = dict(self.configuration)  # in a file: set by the CLI, it would be on a command line
                workspace.save_stack_settings(self.stack, known)
        except CommandError as error:
            raise _explained(error, Told(self.listener)) from error
        return stack

    def _settings(self, workspace: automation.LocalWorkspace) -> automation.StackSettings:
        """Return the stack's settings; none where a run was killed before it wrote them, or was on another machine."""
        try:
            return workspace.stack_settings(self.stack)
        except (FileNotFoundError, AttributeError):  # no file, or an empty one, of which the SDK says the latter
            return automation.StackSettings(secrets_provider=self.place.choice.secrets_provider or None)

    def _packs(self) -> list[str]:
        return [str(staged(pack, self.place.folder / "packs")) for pack in self.policy_packs]

    def _mend(self, stack: automation.Stack) -> Mended:
        """Settle what a run that was killed left behind; nothing to do is the usual case, and costs one look."""
        with self._telling():
            released = wait_for_engine(self.place.locks, self.place.backend)
            if released:
                stack.cancel()
            exported = stack.export_stack()
            if not (exported.deployment or {}).get("pending_operations"):
                return self._told(Mended(released=released))
            self._refresh(stack)  # before anything is taken over: it would no longer be known as unfinished
            exported = stack.export_stack()
            deployment = dict(exported.deployment or {})
            mended = mend(deployment, self.find)
            stack.import_stack(automation.Deployment(version=exported.version, deployment=deployment))
        return self._told(msgspec.structs.replace(mended, released=released))

    def _told(self, mended: Mended) -> Mended:
        if mended != Mended():
            self.told_of_mending(mended)
        return mended

    def _refresh(self, stack: automation.Stack) -> tuple[Change, ...]:
        with self._telling() as told:
            stack.refresh(on_event=told, parallel=PARALLEL, color="never", show_secrets=False)
        return tuple(change for change in told.changes if change.op != "same")

    @contextmanager
    def _telling(self, listener: Callable[[Event], None] | None = None) -> Iterator[Told]:
        told = Told(listener or self.listener)
        try:
            yield told
        except CommandError as error:
            raise _explained(error, told) from error


def _no_program() -> None:
    """Stand for a program where none is run."""


def _explained(error: CommandError, told: Told) -> DeployError:
    """Return what the engine said in our words: a refusal, a lock, the first failure, or its last lines."""
    refused = [violation for violation in told.violations if violation.level == "mandatory"]
    if refused:
        first, more = refused[0], f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        place = short(first.urn) if first.urn else "the stack"
        return PolicyRefusedError(f"policy {first.policy} refuses {place}: {first.message}{more}")
    if isinstance(error, ConcurrentUpdateError):
        return LockedError(
            "Pulumi's engine already works on the stack, or one that was killed left its lock",
            hint="Wait for it to end. If it has ended, on whatever machine: `deploy repair --break-lock`.",
        )
    by_urn = {urn: words for urn, words in told.failures.items() if urn}
    if by_urn:
        (urn, words), others = next(iter(by_urn.items())), [*map(short, [*by_urn][1:])]
        more = f"; also failed: {', '.join(others)}" if others else ""
        return DeployError(
            f"{short(urn)} failed: {words}{more}",
            hint="What was made is in the state. `deploy up` goes on from here; `deploy down` takes it away.",
            code="resource_failed",
        )
    said = f"{error}".partition("stderr:")[2].strip() or f"{error}".strip()
    words = "\n".join(told.failures.values()) or said.removeprefix("error: ")
    return DeployError(
        f"Pulumi's engine failed: {words}",
        hint="What was made is in the state. `deploy up` goes on from here; `deploy down` takes it away.",
        code="engine_failed",
    )
