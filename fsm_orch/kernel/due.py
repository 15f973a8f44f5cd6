"""What is due: what the world owes a run, as a pure function of what the run is.

A runner begins what is due and nobody is at work on. There is no other code for a run that is resumed: whatever was
under way when its process ended is due again.
"""

from __future__ import annotations

from .configuration import Configuration
from .effects import Act, AskHuman, Effect, Path
from .engine import CompiledMachine


def due(compiled: CompiledMachine, now: Configuration, path: Path = ()) -> tuple[Effect, ...]:
    """Return what is due, that of children before that of the machine they run in.

    Args:
        path: where in the tree the configuration stands; `()` is the run itself.
    """
    if now.visit is None:  # it has ended
        return ()
    place = path, now.hops, now.state, now.visit.attempt
    own = AskHuman(*place, 0) if now.status == "waiting" else Act(*place)
    if not now.children:
        return (own,)
    inner = [
        effect
        for call, child in now.children.items()
        for effect in due(compiled.children[now.child_machines[call]], child, (*path, call))
    ]
    return (*inner, own)
