"""Schemas as adapters get them: JSON that reads like any other, and cannot be changed.

A schema is made once and used again by later runs, so what an adapter did to it would reach their requests. These are
still dicts and lists, since adapters write them as JSON, and may look at their types. A copy is plain, to be changed at
will: `copy.deepcopy` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn


def unchangeable(value: Any) -> Any:
    """Return JSON that cannot be changed, all the way down; what is so already is not copied."""
    if isinstance(value, _FIXED):
        return value
    if isinstance(value, Mapping):
        return _Dict((key, unchangeable(held)) for key, held in value.items())
    if isinstance(value, list | tuple):
        return _List(map(unchangeable, value))
    return value


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError("a request's schema is shared by all requests: change a copy of it, copy.deepcopy(request.schema)")


class _Dict(dict[str, Any]):
    __setitem__ = __delitem__ = __ior__ = update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class _List(list[Any]):
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (list(self),)


_FIXED = _Dict, _List
