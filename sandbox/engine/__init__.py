"""An in-process engine for an ordinary Pulumi program: preview, create, change, resume, delete."""

from sandbox.engine.changes import Change, Drift, Event, Preview, Result
from sandbox.engine.engine import Engine
from sandbox.engine.state import StateFile

__all__ = ["Change", "Drift", "Engine", "Event", "Preview", "Result", "StateFile"]
