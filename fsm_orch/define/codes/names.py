"""Codes about the class itself: its base, its names, and the fields of its context (1xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM111",
        title="Field of another context",
        problem="An agent or a final state names a field that the machine's context does not have.",
        why="Nothing could be read from it or written to it in a run.",
        expected="fields of the machine's context",
        fix="name a field of the machine's own context",
        mending="""
              class Order(Context):
                  amount: int

              class Desk(Machine[Ticket]):
            -     look = State(work, reads=(Order.amount,), initial=True)
            +     look = State(work, reads=(Ticket.query,), initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM114",
        title="Name that cannot be used",
        problem="A name is not accepted by every provider, or is needed by machines, decisions or classes themselves; "
        "or limits and policies stand under a name where nothing reads them.",
        why="A provider would refuse the call. Limits and policies that nothing reads are not kept. A field that is "
        "named like an attribute of every class, such as `copy`, could not be named as `Ticket.copy`.",
        expected="names of 1 to 64 of A-Z a-z 0-9 _ -, and limits, model and policies under their own names",
        fix="rename it",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
            -     policy = (eventually(answered),)
            +     policies = (eventually(answered),)
        """,
    ),
    Code(
        code="FSM115",
        title="Machine of a machine",
        problem="A machine subclasses another machine.",
        why="A state that is declared again would leave its handoffs on the old one.",
        expected="Machine[...] as its only base: an inherited handoff would lead to the old states",
        fix="write a machine of its own, and share agents and guards as plain values",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)

            - class NightDesk(Desk):
            + class NightDesk(Machine[Ticket]):
                  look = State(work, initial=True)
            +     answered, human = Final(), Final(fallback=True)
            +     done = look.to(answered)
        """,
    ),
    Code(
        code="FSM116",
        title="No context class",
        problem="A machine does not say in brackets which context its runs have.",
        why="Nothing could be checked of the fields that its agents and guards name.",
        expected="class X(Machine[MyContext]) with a subclass of Context",
        fix="name the context in the brackets",
        mending="""
            - class Desk(Machine):
            + class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM120",
        title="Value that does not fit its field",
        problem="A final state sets a field to a value that the field, its validators or a journal would not take.",
        why="The mistake would show when a run is landed, which is when the default answer is needed most.",
        expected="a value that the field and its validators take as it is, checked now so that landing never fails",
        fix="set a value of that type",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered = Final()
            -     human = Final(fallback=True, sets={Ticket.answer: 404})
            +     human = Final(fallback=True, sets={Ticket.answer: "A colleague will get back to you."})
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM122",
        title="Context without a schema",
        problem="The context has a field for which there is no JSON schema, or whose type is not there.",
        why="A journal could not hold the context, so a run could not be resumed or looked into.",
        expected="fields that can be written to a journal and read back",
        fix="use types that pydantic can serialize; pass live objects as dependencies",
        mending="""
              class Shop:
                  stock = 3

            - class Live(Ticket):
            -     model_config = {"arbitrary_types_allowed": True}
            -     shop: Shop
            -
            - class Desk(Machine[Live]):
            + class Desk(Machine[Ticket, Shop]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM124",
        title="Field that no model can be asked for",
        problem="A model writes a field whose schema no provider's strict mode takes: it may hold anything, or objects "
        "with any keys.",
        why="A provider would refuse the request, or could not hold the model to the field.",
        expected="fields of texts, numbers, booleans, enums, fixed models, and tuples of these",
        fix="say what the field holds: a nested Context with fields of its own, or tuple[...] of one kind",
        mending="""
              from typing import Annotated
              from pydantic import WithJsonSchema

              class Basket(Ticket):
            -     size: Annotated[str, WithJsonSchema({})] = ""
            +     size: str = ""

              class Desk(Machine[Basket]):
                  read = State(LLMAgent("Read.", does="read sizes", writes=Basket.size), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = read.to(look, "the size is read")
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM130",
        title="Context that can change",
        problem="A context has a field that can be changed in place, that says nothing of what it holds, or that a "
        "journal would lose.",
        why="Agents share the context as a snapshot. What one of them changes in place is in no journal, so a run "
        "could not be replayed.",
        expected="fields with values that cannot change, and that a journal can hold",
        fix="use a type that cannot change, such as tuple or frozenset, or a frozen model",
        mending="""
              class Basket(Context):
            -     things: list[str]
            +     things: tuple[str, ...]

              class Desk(Machine[Basket]):
                  look = State(print, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM131",
        title="Mark that cannot be kept",
        problem="A field is marked inside its type, as Given and Preset at once, or as Preset without a default.",
        why="A mark says who writes a field first, the caller or agents alone. One that cannot be kept would leave the "
        "proof to start from a value that no run starts with.",
        expected="at most one mark, around the whole type of the field, and a default with Preset",
        fix="put one mark around the whole type, and give the field a default",
        mending="""
              class Basket(Ticket):
            -     things: Preset[tuple[str, ...]]
            +     things: Preset[tuple[str, ...]] = ()

              class Desk(Machine[Basket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
)
