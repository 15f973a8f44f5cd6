"""A self-loop behind a guard: as long as it is unsure, it thinks again."""

from fsm_orch import Context, Final, LLMAgent, Machine, State, guard


class Question(Context):
    text: str
    sure: bool = False


@guard
def is_unsure(question: Question) -> bool:
    return not question.sure


class Thinker(Machine[Question]):
    """Think until it is sure."""

    think = State(
        LLMAgent("Think.", does=("weigh the question",), reads=(Question.text,), writes=(Question.sure,)), initial=True
    )
    answered, human = Final(), Final(fallback=True)
    again = think.to(think, "it is not clear yet", guard=is_unsure)
    done = think.to(answered, "it is clear")


FOUND = "FSM105"
MENDED = ("initial=True\n", "initial=True, max_visits=2\n")
