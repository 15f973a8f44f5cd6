"""Certificates as the JSON documents that they are, to be altered at will."""

import copy
import json
from fractions import Fraction

from pydantic import RootModel

from fsm_orch.proof.bounds.certify import certify

Document = RootModel[dict[str, object]]


def numbers(node, way=()):
    """Yield the way to every number of a JSON document, booleans included."""
    if isinstance(node, dict):
        for key, part in node.items():
            yield from numbers(part, (*way, key))
    elif isinstance(node, list):
        for key, part in enumerate(node):
            yield from numbers(part, (*way, key))
    elif isinstance(node, bool | int | float) or (isinstance(node, str) and _is_exact(node)):
        yield way


def _is_exact(text):
    numerator, _, denominator = text.partition("/")
    return numerator.lstrip("-").isdigit() and denominator.isdigit()


def altered(document, way, by):
    """Add something to one number."""
    changed = copy.deepcopy(document)
    at = changed
    for key in way[:-1]:
        at = at[key]
    value = at[way[-1]]
    if isinstance(value, bool):
        at[way[-1]] = not value
    elif isinstance(value, float):
        at[way[-1]] = value + float(by)
    else:
        at[way[-1]] = written(Fraction(value) + by)
    return Document(changed)


def written(number):
    return number.numerator if number.denominator == 1 else str(number)


def claim(definition, **options):
    return json.loads(certify(definition, **options).dump())
