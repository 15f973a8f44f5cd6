"""The service: a machine behind HTTP. `router` makes the routes of a runner, for an application of FastAPI."""

from .caller import Caller
from .problems import Problem
from .router import router

__all__ = ["Caller", "Problem", "router"]
