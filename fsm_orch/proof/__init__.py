"""What can be said of every run of a machine before any run: `prove(machine)`.

The names here are loaded when they are first asked for, so a service that runs machines, and verifies a certificate
when it starts, loads no prover.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import Bounds, Certificate, Counterexample, Proof, certify, prove, verify

__all__ = ["Bounds", "Certificate", "Counterexample", "Proof", "certify", "prove", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import report  # noqa: PLC0415 - the prover, and SciPy with the first certificate it makes

    return getattr(report, name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
