"""Steps as they happen: a live tree on a terminal, timestamped lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.tree import Tree

    from planner.progress import Phase


SLOW_S = 5.0
"""A part that takes longer is named."""
LINE_EVERY_S = 10.0
"""How often a count is written where nothing can be redrawn."""
MOST_NAMED = 3


@dataclass
class Step:
    """One step of the tree. Times in seconds of the monotonic clock."""

    title: str
    depth: int
    started: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    failed: bool = False
    inside: list[Step | tuple[str, str]] = field(default_factory=list)
    """Steps below this one, and remarks (style, text), in order of appearance."""
    total: int = 0
    """Parts that it has; 0 where nobody knows."""
    done: int = 0
    failed_parts: int = 0
    under_way: dict[str, float] = field(default_factory=dict)
    """Part -> when it began."""
    shown: float = 0.0
    """When its count was last written as a line."""

    def count(self) -> str:
        """Say how far it is, and what takes long."""
        if not (self.done or self.failed_parts or self.under_way):
            return ""
        now = time.monotonic()
        told = f"{self.done}/{max(self.total, self.done)}" if self.total else str(self.done)
        if self.failed_parts:
            told += f", {self.failed_parts} failed"
        slow = [f"{name} ({now - begun:.0f} s)" for name, begun in self.under_way.items() if now - begun >= SLOW_S]
        return f"{told}, waiting for {', '.join(slow[:MOST_NAMED])}" if slow else told


_current: ContextVar[Step | None] = ContextVar("current step", default=None)


class _Steps:
    """Keeps the tree; what is shown is the subclass's."""

    def __init__(self) -> None:
        self.root = Step("", depth=-1)
        self._lock = threading.Lock()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Open a step below the current one (of this thread, or of the context that it was started with)."""
        parent = _current.get() or self.root
        step = Step(title, depth=parent.depth + 1)
        with self._lock:
            parent.inside.append(step)
        token = _current.set(step)
        self._began(step)
        try:
            yield
        except BaseException:
            step.failed = True
            raise
        finally:
            step.seconds = time.monotonic() - step.started
            _current.reset(token)
            self._ended(step)

    def note(self, text: str) -> None:
        """Say something worth knowing."""
        self._remark("dim", text)

    def warn(self, text: str) -> None:
        """Say something that a person should act on."""
        self._remark("yellow", f"warning: {text}")

    def expect(self, total: int) -> None:
        """Say how many parts the current step has."""
        (_current.get() or self.root).total = total

    def part(self, name: str, phase: Phase) -> None:
        """Say that a part of the current step has begun, is done, or has failed."""
        step = _current.get() or self.root
        with self._lock:
            if phase == "started":
                step.under_way[name] = time.monotonic()
            else:
                step.under_way.pop(name, None)
                step.done += phase == "done"
                step.failed_parts += phase == "failed"
        self._counted(step)

    def _remark(self, style: str, text: str) -> None:
        step = _current.get() or self.root
        with self._lock:
            step.inside.append((style, text))
        self._remarked(step, text)

    def _began(self, step: Step) -> None: ...

    def _ended(self, step: Step) -> None: ...

    def _remarked(self, step: Step, text: str) -> None: ...

    def _counted(self, step: Step) -> None: ...


class LineView(_Steps):
    """One timestamped line when a step ends, or says something."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question; lines need no pause."""
        yield

    def _ended(self, step: Step) -> None:
        mark = "FAILED" if step.failed else "ok"
        self._line(f"{'  ' * step.depth}{step.title} ... {mark} ({step.seconds:.1f} s)")

    def _counted(self, step: Step) -> None:
        if time.monotonic() - max(step.started, step.shown) >= LINE_EVERY_S:
            step.shown = time.monotonic()
            self._line(f"{'  ' * (step.depth + 1)}{step.title}: {step.count()}")

    def _remarked(self, step: Step, text: str) -> None:
        self._line(f"{'  ' * (step.depth + 1)}{text}")

    def _line(self, text: str) -> None:
        with self._lock:
            sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
            sys.stderr.flush()


class TreeView(_Steps):
    """A tree that is redrawn while steps run, and left on the screen at the end."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console
        self.live: Live | None = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question: a tree that is redrawn would write over it."""
        if self.live is None:
            yield
            return
        self.live.stop()
        try:
            yield
        finally:
            self.live.start()

    def __rich__(self) -> Tree:
        """Draw the tree as it is now."""
        from rich.tree import Tree

        top = Tree("", hide_root=True, guide_style="dim")
        with self._lock:
            self._draw(self.root, top)
        return top

    def _draw(self, step: Step, branch: Tree) -> None:
        from rich.markup import escape

        for child in step.inside:
            if isinstance(child, tuple):
                style, text = child
                branch.add(f"[{style}]{escape(text)}[/]")
                continue
            if child.seconds is None:
                mark, seconds = "[cyan]…[/]", time.monotonic() - child.started
            else:
                mark, seconds = ("[red]✗[/]" if child.failed else "[green]✓[/]"), child.seconds
            counted = f" {escape(child.count())}" if child.seconds is None else ""
            self._draw(child, branch.add(f"{mark} {escape(child.title)}{counted} [dim]{seconds:.1f} s[/]"))


@contextmanager
def progress_view() -> Iterator[LineView | TreeView]:
    """Give the view that suits stderr: a tree on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        yield LineView()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    view = TreeView(console)
    with Live(view, console=console, refresh_per_second=8, transient=False) as live:
        view.live = live
        yield view
