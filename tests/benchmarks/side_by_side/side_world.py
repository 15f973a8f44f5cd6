"""The task that all programs do, the same for all libraries: a customer's parcel is lost, and is to be sent again.

Triage hands over to billing or to shipping; each of them may hand back. Shipping has one tool, which has an effect.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

MODEL = "gpt-5-mini"
KEY = "sk-test-secret-key"
QUESTION = "Order 1041 did not arrive. Please send it again."
TRIAGE = "Decide who helps the customer. Do not answer yourself."
BILLING = "Help with invoices and refunds. Hand back what is not about these."
SHIPPING = "Help with parcels. Hand back what is not about these."
ANSWER = "Order 1041 leaves again tomorrow."
SORRY = "A colleague will get back to you."

SENT = "SIDE_SENT"
"""The variable with the file in which the tool notes what it has done; without it nothing is noted."""
DIES = "SIDE_DIES"
"""The variable that has the tool kill its process, `before` or `after` it has done its work."""


def send_again(order: int) -> str:
    """Send an order again."""
    return send(order, "")


def send(order: int, key: str) -> str:
    """Send an order again, and note under which key."""
    _die("before")
    if SENT in os.environ:
        with Path(os.environ[SENT]).open("a", encoding="utf-8") as sent:
            sent.write(f"{order} {key}\n")
    _die("after")
    return ANSWER


def _die(when: str) -> None:
    if os.environ.get(DIES) == when:
        os.kill(os.getpid(), signal.SIGKILL)
