"""A manager who looks up two things at once, and pays what a human approves, before it answers."""

from typing import Any

from world import pay_back, status_of, stock_of

from fsm_orch import Context, Final, LLMAgent, Machine, MemoryStore, Runner, State, Tool


class Ticket(Context):
    query: str
    answer: str | None = None


def refund(order: int, *, key: str) -> str:
    """Pay an order back."""
    return pay_back(order, key)


class Manager(Machine[Ticket]):
    """Answer customers, with tools."""

    work = State(
        LLMAgent(
            "Answer the customer.",
            reads=Ticket.query,
            writes=Ticket.answer,
            tools=(status_of, stock_of, Tool(refund, approval=True)),
            asks=3,
        ),
        initial=True,
    )
    answered, human = Final(), Final(fallback=True, sets={Ticket.answer: "A colleague will write to you."})
    done = work >> answered


STORE = MemoryStore()


async def ask(model: Any, query: str, run_id: str) -> str | None:
    """Return the answer; None: a human is asked."""
    return (await Runner(Manager, model=model, store=STORE).run(Ticket(query=query), run_id=run_id)).context.answer


async def tell(model: Any, run_id: str, *, is_yes: bool) -> str | None:
    """Go on with what the human said."""
    return (await Runner(Manager, model=model, store=STORE).resume(run_id, is_yes)).context.answer
