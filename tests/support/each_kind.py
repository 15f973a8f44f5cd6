"""A machine of each kind of work: models, code, tools, humans, branches and machines inside."""

from __future__ import annotations

from typing import Any

from support import asking, branches, levels
from support.desk import Support
from support.killing import Counter, Office, Shop

from fsm_orch import Machine
from machines import refund

MACHINES: dict[str, type[Machine[Any, Any]]] = {
    "a desk": Support,
    "code that pays": Shop,
    "branches, tools and a human": Office,
    "two humans at once": asking.Both,
    "a race": branches.First,
    "parallel in a nested machine": branches.Outer,
    "three levels of models": levels.High,
    "two models at once": levels.Two,
    "a tool that needs approval": Counter,
    "an application that goes to a human": refund.Refunds,
}
