"""A machine whose one agent has settings, and settings by chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from fsm_orch import Context, Final, LLMAgent, Machine, ModelSettings, State

SETTINGS = st.builds(
    ModelSettings,
    temperature=st.none() | st.floats(0, 2),
    seed=st.none() | st.integers(0, 2**31 - 1),
    top_p=st.none() | st.floats(0.01, 1),
    reasoning_effort=st.none() | st.sampled_from(["none", "low", "high"]),
    timeout_s=st.none() | st.floats(0.5, 100),
)


class Question(Context):
    """A question and its answer."""

    query: str
    answer: str | None = None


def machine_with(settings: ModelSettings | None = None, **options: Any) -> type[Machine[Question]]:
    """Make a machine whose agent has these settings and options, or none."""
    options |= {} if settings is None else {"settings": settings}

    class Asked(Machine[Question]):
        """Answer a question."""

        ask = State(
            LLMAgent("Answer.", must_not="guess", reads=Question.query, writes=Question.answer, **options),
            initial=True,
        )
        done = Final()
        landed = Final(fallback=True)
        answered = ask.to(done)

    return Asked
