"""The task with fsm_orch: a machine of three agents that hand over, and a tool."""

from typing import Any

from side_world import BILLING, KEY, MODEL, SHIPPING, SORRY, TRIAGE, send_again

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Runner, State
from fsm_orch.models.openai import ChatModel


class Ticket(Context):
    query: str
    answer: str | None = None


def desk(url: str, *, store: Any = None, asks: int | None = None, tool: Any = send_again) -> Any:
    """Return what answers a question; `asks` is how often a visit may use its tool, None is the default."""

    class Desk(Machine[Ticket]):
        """Help a customer, or hand over to a colleague."""

        triage = State(LLMAgent(TRIAGE, reads=Ticket.query), initial=True, max_visits=2)
        billing = State(LLMAgent(BILLING, reads=Ticket.query, writes=Ticket.answer), max_visits=2)
        shipping = State(
            LLMAgent(
                SHIPPING,
                reads=Ticket.query,
                writes=Ticket.answer,
                tools=(tool,),
                asks=asks,
                max_input_tokens=4_000,
            ),
            max_visits=2,
        )
        answered = Final()
        colleague = Final(fallback=True, sets={Ticket.answer: SORRY})

        to_billing = triage.to(billing, "invoices and refunds")
        to_shipping = triage.to(shipping, "parcels")
        back = (billing | shipping).to(triage, "it is not about your topic")
        done = (billing | shipping).to(answered, "the question is answered")
        limits = Limits(hops=6, tokens=60_000)

    runner = Runner(Desk, model=ChatModel(MODEL, api_key=KEY, base_url=url), store=store)

    async def ask(question: str, run_id: str, *, is_again: bool = False) -> str | None:
        begin = Ticket(query=question)
        result = await (runner.resume(run_id) if is_again else runner.run(begin, run_id=run_id))
        return result.context.answer

    return ask
