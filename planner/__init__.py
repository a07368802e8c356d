"""Pure planning: a profile and the catalogue in, a frozen plan out.

Nothing here touches Pulumi, Typer, the network, the clock, the environment or another process.
"""
