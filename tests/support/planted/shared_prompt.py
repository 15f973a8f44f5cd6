"""Two specialists with one prompt: which of them is asked makes no difference."""

from fsm_orch import Context, Final, LLMAgent, Machine, State


class Question(Context):
    text: str
    answer: str = ""


def specialist(*does):
    return LLMAgent("Answer the question.", does=does, reads=(Question.text,), writes=(Question.answer,))


class Desk(Machine[Question]):
    """Hand a question to who knows."""

    triage = State(LLMAgent("Route.", reads=(Question.text,)), initial=True)
    sales = State(specialist("answer questions about prices"))
    support = State(specialist("answer questions about prices"))
    answered, human = Final(), Final(fallback=True)
    to_sales = triage.to(sales, "prices")
    to_support = triage.to(support, "repairs")
    done = (sales | support).to(answered, "it is answered")


FOUND = "FSM501"
MENDED = (
    'support = State(specialist("answer questions about prices"))',
    'support = State(specialist("answer questions about repairs"))',
)
