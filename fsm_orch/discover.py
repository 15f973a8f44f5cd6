"""The machines of a module."""

from __future__ import annotations

from types import ModuleType

from .define.machine import AnyMachine, is_machine


def machines_in(module: ModuleType) -> dict[str, AnyMachine]:
    """Give the machines of a module by its names for them, those that it imports among them."""
    return {name: value for name, value in vars(module).items() if is_machine(value)}


def defined_in(module: ModuleType) -> dict[str, AnyMachine]:
    """Give the machines that a module defines, each by its first name there; not those that it imports."""
    first: dict[AnyMachine, str] = {}
    for name, machine in machines_in(module).items():
        if machine.__module__ == module.__name__:
            first.setdefault(machine, name)
    return {name: machine for machine, name in first.items()}
