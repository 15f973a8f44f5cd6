"""A budget too small to even land: it does not pay for the first call."""

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State


class Question(Context):
    text: str
    answer: str = ""


class Cheap(Machine[Question]):
    """Answer for next to nothing."""

    ask = State(LLMAgent("Answer.", does=("answer",), reads=(Question.text,), writes=(Question.answer,)), initial=True)
    answered, human = Final(), Final(fallback=True)
    done = ask.to(answered, "it is answered")
    limits = Limits(tokens=2_000)


FOUND = "FSM119"
MENDED = ("tokens=2_000", "tokens=4_608")
