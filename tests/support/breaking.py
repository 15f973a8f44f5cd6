"""What a breaker does, in its own words: attempts enter and leave in any order, and time passes."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fsm_orch.errors import CallDenied
from fsm_orch.resilience.base import Breaking as Port
from fsm_orch.resilience.base import Came

T = TypeVar("T")
CAME = st.sampled_from(["error", "timeout", "refusal", "ok", None])
FAILURES, WINDOW_S, OPEN_S = 3, 10.0, 20.0


class Breaking(RuleBasedStateMachine):
    """Attempts that enter and leave in any order, against what the words of a breaker say."""

    def made(self) -> Port:
        """Make a breaker whose clock is `time`, in seconds."""
        raise NotImplementedError

    def waited(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine comes to."""
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.breaker = self.made()
        self.inside: list[int] = []
        self.failed: list[float] = []
        self.open_until: float | None = None
        self.probe: int | None = None
        self.probes = 0

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, 11.0, 20.0]))
    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    @rule()
    def enter(self) -> None:
        is_open = self.open_until is not None
        may = not is_open or (self.probe is None and self.time >= self.open_until)  # type: ignore[operator]
        try:
            number = self.waited(self.breaker.enter())
        except CallDenied:
            assert not may
            return
        assert may
        assert (number > 0) == is_open
        if number:
            assert number > self.probes
            self.probes = self.probe = number
        self.inside.append(number)

    @rule(seconds=st.sampled_from([0.0, OPEN_S]))
    def fail(self, seconds: float) -> None:
        """Let as many fail as open it, and time pass, which else takes many steps to come about."""
        for _ in range(FAILURES):
            before = len(self.inside)
            self.enter()
            if len(self.inside) > before:
                self.leave(before, "error")
        self.pass_time(seconds)

    @rule(which=st.integers(0, 9), came=CAME)
    def leave_one(self, which: int, came: Came) -> None:
        if self.inside:
            self.leave(which % len(self.inside), came)

    def leave(self, which: int, came: Came) -> None:
        """Let one of those inside leave, and do what words say."""
        number = self.inside.pop(which)
        self.waited(self.breaker.leave(number, came))
        has_failed = came in ("error", "timeout")
        if number and number == self.probe:
            self.probe = None
            if has_failed:
                self.open_until = self.time + OPEN_S
            elif came is not None:
                self.open_until, self.failed = None, []
        elif not number and self.open_until is None and has_failed:
            self.failed = [*self.failed, self.time][-FAILURES:]
            if len(self.failed) == FAILURES and self.time - self.failed[0] <= WINDOW_S:
                self.open_until = self.time + OPEN_S

    @invariant()
    def it_is_shut_as_long_as_nobody_may_enter(self) -> None:
        is_shut = self.open_until is not None and (self.probe is not None or self.time < self.open_until)
        assert is_shut == self.breaker.is_shut
