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

    def _remark(self, style: str, text: str) -> None:
        step = _current.get() or self.root
        with self._lock:
            step.inside.append((style, text))
        self._remarked(step, text)

    def _began(self, step: Step) -> None: ...

    def _ended(self, step: Step) -> None: ...

    def _remarked(self, step: Step, text: str) -> None: ...


class LineView(_Steps):
    """One timestamped line when a step ends, or says something."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to a question; lines need no pause."""
        yield

    def _ended(self, step: Step) -> None:
        mark = "FAILED" if step.failed else "ok"
        self._line(f"{'  ' * step.depth}{step.title} ... {mark} ({step.seconds:.1f} s)")

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
            self._draw(child, branch.add(f"{mark} {escape(child.title)} [dim]{seconds:.1f} s[/]"))


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
