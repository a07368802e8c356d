"""Running a Pulumi program in this process, as often as wanted."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.settings import configure
from pulumi.runtime.stack import run_in_stack

from sandbox.engine.monitor import Monitor


def run(program: Callable[[], None], monitor: Monitor, *, project: str, stack: str, preview: bool) -> None:
    """Run a program to its end. Its settings live in a context of their own, so that runs do not meet.

    Raises:
        Exception: whatever the program itself raises.

    """

    async def main() -> None:
        configure(
            mocks.MockSettings(
                monitor=monitor,
                monitor_features=monitor.features(),
                engine=mocks.MockEngine(None),
                project=project,
                stack=stack,
                dry_run=preview,
                organization="organization",
                callbacks=None,
                outputs=set(),
                lock=threading.Lock(),
                package_refs={},
                base_providers_by_ref={},
            )
        )
        pulumi.runtime.set_all_config({})
        await run_in_stack(program)

    # Outputs that depend on a failure are abandoned on purpose; asyncio would print each of them.
    logger = logging.getLogger("asyncio")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        contextvars.Context().run(_run_and_restore_loop, main)
    finally:
        logger.setLevel(level)


def _run_and_restore_loop(main: Callable[[], object]) -> None:
    """Run on a loop of its own, and close it: `asyncio.run` would leave the main thread without any."""
    with asyncio.Runner() as runner:
        runner.run(main())  # type: ignore[arg-type]  # a coroutine, which the SDK's untyped calls hide
