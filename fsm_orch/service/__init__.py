"""The service: a machine behind HTTP. `router` makes the routes of a runner, for an application of FastAPI."""

from .caller import Caller
from .door import add_door
from .heads import limited_http
from .problems import Problem
from .router import router
from .webhooks import Event, Webhooks

__all__ = ["Caller", "Event", "Problem", "Webhooks", "add_door", "limited_http", "router"]
