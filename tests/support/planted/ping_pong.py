"""Two agents that hand one question back and forth."""

from fsm_orch import Context, Final, LLMAgent, Machine, State


class Question(Context):
    text: str


class PingPong(Machine[Question]):
    """Sales and support, each sure that the other knows."""

    sales = State(LLMAgent("Answer questions about sales.", reads=(Question.text,)), initial=True)
    support = State(LLMAgent("Answer questions about support.", reads=(Question.text,)))
    answered, human = Final(), Final(fallback=True)
    to_support = sales.to(support, "a question of support")
    to_sales = support.to(sales, "a question of sales")
    done = (sales | support).to(answered, "it is answered")


FOUND = "FSM105"
MENDED = (
    'about sales.", reads=(Question.text,)), initial=True)',
    'about sales.", reads=(Question.text,)), initial=True, max_visits=2)',
)
