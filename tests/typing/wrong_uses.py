"""Wrong uses of the public face: read by type checkers, executed by nobody.

Each line that ends in a comment `error: <what>` must be an error for every checker, and no other line may be.
"""

from typing import Any

from fsm_orch import (
    Context,
    ExamplesAgent,
    Final,
    HumanAgent,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    Map,
    Message,
    Nested,
    Parallel,
    Reply,
    Runner,
    ScriptedModel,
    State,
    Tool,
    Usage,
    Visit,
    after,
    at_most,
    eventually,
    guard,
    never,
)


class Ticket(Context):
    query: str
    verified: bool = False
    answer: str | None = None


class Order(Context):
    number: int


class Shop:
    name: str


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


@guard
def is_large(order: Order) -> bool:
    return order.number > 9


@guard  # error: a guard answers a bool
def is_answered(ticket: Ticket) -> str | None:
    return ticket.answer


class Support(Machine[Ticket]):
    triage = State(LLMAgent("Decide who owns the query.", reads=(Ticket.query,)), initial=True)
    search = State(LLMAgent("Find a product.", writes=(Ticket.answer,)))
    answered = Final()
    human = Final(fallback=True)

    to_search = triage.to(search, "looking for a product")
    done = (triage | search).to(answered, "the question is answered")

    to_billing = triage.to(biling, "invoices")  # error: no such name in the class
    onward = answered.to(triage, "and again")  # error: nothing leaves a final state
    joined = (search | answered).to(human, "give up")  # error: nothing leaves a final state
    nowhere = search.to("human", "give up")  # error: a target is not a string
    into_handoff = search.to(to_search, "give up")  # error: a target is not a handoff
    unnamed = search.to(human, 3)  # error: a description is a text
    unguarded = search.to(human, "give up", is_verified)  # error: a guard is named
    bare = search.to(human, "give up", guard=lambda ticket: True)  # error: a guard is made by @guard
    misnamed = search.to(human, "give up", gaurd=is_verified)  # error: unknown keyword
    failed = search.on_failure(human, guard=is_verified)  # error: a failure edge has no guard


class Limited(Machine[Ticket]):
    limits = 3  # error: limits are Limits


class Claimed(Machine[Ticket]):
    policies = never(Support.search)  # error: policies are several


def policies() -> None:
    never("refund")  # error: a policy speaks of parts, not of names
    never(Support.search | "refund")  # error: a part is joined with a part
    never(Support.search).before(Ticket)  # error: a context is no part
    at_most(Support.search, 2)  # error: a number comes first
    eventually(is_verified | is_large)  # error: guards of two contexts
    after(Support.search).before(Support.human)  # error: what follows is eventually
    (Support.search | is_verified).to(Support.human, "give up")  # error: nothing leaves a guard


class Modelled(Machine[Ticket]):
    model = ScriptedModel(["hello"])  # error: a machine names its model, a runner brings one


class Unbound(Machine[Shop]):  # error: a context is a Context
    pass


class Refunds(Machine[Ticket, Shop]):
    ask = State(LLMAgent("Ask the shop.", writes=(Ticket.answer,)), initial=True)


def declarations() -> None:
    State()  # error: a state has an agent
    State("triage")  # error: an agent is no text
    State(LLMAgent("Ask."), max_visit=2)  # error: unknown keyword
    State(LLMAgent("Ask."), max_visits="2")  # error: a number
    Final(fallback="yes")  # error: a bool
    LLMAgent()  # error: an agent has instructions
    LLMAgent("Ask.", reads=(Ticket.qurey,))  # error: no such field
    LLMAgent("Ask.", must=("search",))  # error: unknown keyword
    KeywordAgent(Ticket.query, {"search": ("find",)}, otherwise=Support.human)  # error: words are for states
    KeywordAgent(Ticket.query, {Support.search: ("find",)})  # error: otherwise is required
    ExamplesAgent(Ticket.query, {"search": "find"}, otherwise=Support.human, threshold=0.4)  # error: for states
    ExamplesAgent(Ticket.query, {Support.search: "find"}, otherwise=Support.human)  # error: a threshold is required
    ExamplesAgent(Ticket.query, {Support.search: 3}, otherwise=Support.human, threshold=0.4)  # error: texts
    Limits(hop=3)  # error: unknown limit
    Limits(hops="three")  # error: a number
    Message(role="agent", content="hello")  # error: no such role
    Support.billing  # error: no such state


def contexts(ticket: Ticket) -> None:
    Ticket()  # error: the query is required
    Ticket(query=3)  # error: a text
    Ticket(query="refund", verifed=True)  # error: no such field
    ticket.anwser  # error: no such field
    Ticket.answr  # error: no such field
    ticket.answer = "hello"  # error: a context is frozen


def guards(ticket: Ticket) -> None:
    is_verified & is_large  # error: guards of two contexts
    is_verified | is_large  # error: guards of two contexts
    is_verified(Order(number=3))  # error: the guard of another context
    is_verified and is_verified.verified  # error: a guard is no context


def reads(visit: Visit[Ticket, Shop], alone: Visit[Ticket]) -> None:
    visit.deps.nope  # error: no such dependency
    alone.deps.name  # error: no dependencies were declared
    visit.context.nope  # error: no such field
    visit.handoff_to("human")  # error: a target is a state
    visit.key = "again"  # error: a visit is frozen


def wrong_return(visit: Visit[Ticket]) -> Reply:
    return {Ticket.answer: "hello"}  # error: not a Reply


def wrong_choice(visit: Visit[Ticket]) -> Reply:
    return Reply(Support.answered)  # error: a choice is a handoff


class Mute:
    """Not an agent: it says no spec."""

    async def act(self, visit: Visit[Any, Any]) -> Reply:
        return Reply(handof="done")  # error: unknown keyword


def runners() -> None:
    Runner()  # error: a runner has a machine
    Runner(Ticket)  # error: not a machine
    Runner(Support, modell="local:smollm2")  # error: unknown keyword
    Runner(Support, model=Usage())  # error: not a model
    Runner(Support, observers=("log",))  # error: an observer is called
    State(Mute())  # error: an agent has a spec


async def runs(ticket: Ticket, order: Order, shop: Shop) -> None:
    await Runner(Support).run()  # error: a run has a context
    await Runner(Support).run(order)  # error: the context of another machine
    await Runner(Support).run(ticket, deps=shop)  # error: no dependencies were declared
    await Runner(Support).run(ticket, thread="t-1")  # error: unknown option
    await Runner(Support).run(ticket, thread_id=3)  # error: a text
    await Runner(Refunds).run(ticket)  # error: dependencies are missing
    await Runner(Refunds).run(ticket, deps=None)  # error: dependencies are missing
    await Runner(Refunds).run(ticket, deps="shop")  # error: other dependencies
    Runner(Refunds).run_sync(ticket)  # error: dependencies are missing
    Runner(Support).run_sync(order)  # error: the context of another machine
    Runner(Refunds).stream(ticket)  # error: dependencies are missing


async def results(ticket: Ticket) -> None:
    result = await Runner(Support).run(ticket)
    result.context.nope  # error: no such field
    result.answer  # error: fields are in the context
    result.context.answer.upper()  # error: there may be no answer
    result.landing.reason  # error: there may be no landing
    result.state = Support.human  # error: a result is frozen
    Runner(Support).run(ticket).context  # error: not awaited
    for record in Runner(Support).stream(ticket):  # error: a stream is entered, then iterated
        print(record)
    async with Runner(Support).stream(ticket) as records:
        records.context  # error: a stream has records, then a result
        for record in records:  # error: records arrive
            print(record)


class Composed(Machine[Ticket]):
    """Machines in machines that no checker takes."""

    ask = State(HumanAgent("Well?", read=Ticket.query), initial=True)  # error: unknown keyword
    silent = State(HumanAgent(3))  # error: a question is a text
    fly = State(Nested(Ticket))  # error: a context is no machine
    by_name = State(Nested(Support, ends={"answered": ask}))  # error: ends are final states
    to_handoff = State(Nested(Support, ends={Support.answered: Support.done}))  # error: ends lead to states
    misspelt = State(Nested(Support, writes=Ticket.anser))  # error: no such field
    some = State(Parallel(LLMAgent("A."), LLMAgent("B."), join="some"))  # error: no such join
    merged = State(Parallel(LLMAgent("A."), LLMAgent("B."), merge={Ticket.answer: 3}))  # error: a merge is a function
    number = State(Parallel(3, LLMAgent("B.")))  # error: a number is no branch
    each = State(Map(Support, over=Ticket.query, item=Ticket.query, into=Ticket.answer))  # error: a result is named
    flow = ask >> "fly"  # error: a chain leads to states
    onward = ask >> Final() >> 3  # error: and nowhere else


def look_up(order: int) -> str:
    """Look it up."""
    return str(order)


class Tools(Machine[Ticket]):
    """Tools that no checker takes."""

    number = State(LLMAgent("A.", tools=3), initial=True)  # error: a number is no tool
    text = State(LLMAgent("A.", tools=("look_up",)))  # error: nor is a name
    misspelt = State(LLMAgent("A.", tool=look_up))  # error: unknown keyword
    approved = Tool(look_up, approved=True)  # error: unknown keyword
    late = Tool(look_up, timeout_s="soon")  # error: a time is a number
    none = Tool()  # error: a tool is of something
