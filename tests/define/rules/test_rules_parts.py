"""Rules about machines in machines: what crosses fits, what is taken was written, branches and ends come together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.declared import case, load, machine, shows

from fsm_orch import Context, Final, Machine, Map, State, Visit
from fsm_orch.define.rules.parts import crossings

INNER = """
class Inner(Machine[Other]):
    b = State(work, writes=Other.thing, initial=True)
    found, sold, lost = Final(), Final(), Final(fallback=True)
    to_sold = b.to(sold, guard=is_other)
    to_found = b.to(found)
"""

DEEP = """
def around(inner):
    class Deep(Machine[Ticket]):
        run = State(Nested(inner) if inner else work, initial=True)
        found, lost = Final(), Final(fallback=True)
        flow = run >> found

    return Deep

Deep = None
for _ in range(32):
    Deep = around(Deep)
"""


def writer(field: str = "answer") -> str:
    """Write a branch that writes a field."""
    return f"State(work, reads=Ticket.query, writes=Ticket.{field})"


def branches(*fields: str, more: str = "", found: str = "") -> str:
    """Write an initial state of branches that each write a field."""
    return f"State(Parallel({', '.join(map(writer, fields))}, {more}), initial=True)  # {found}"


def nested(options: str, found: str = "") -> str:
    """Write an initial state that runs a machine inside it."""
    return f"State(Nested(Inner, {options}), initial=True)  # {found}"


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "what is taken was written on every path",
            "'a' takes 'thing' from 'Inner', which may end well without having written it: b -> skip",
            a=nested("take={Ticket.answer: Other.thing}", "FSM132"),
            before=f"""{INNER}
    skip = Final()
    late = b.on_failure(skip)
""",
        ),
        case(
            "32 machines stand inside each other at most",
            "'a' runs 'Deep': 33 machines would stand inside each other, and 32 is the most",
            a="State(Nested(Deep), initial=True)  # FSM138",
            before=DEEP,
        ),
        case(
            "branches are machines too",
            "'a' runs 'deep': 33 machines would stand inside each other, and 32 is the most",
            a="State(Parallel(deep=Nested(Deep), flat=work), initial=True)  # FSM138",
            before=DEEP,
        ),
        case(
            "fields of the part are fields of its context",
            "Other has no field 'level'",
            a=nested("take={Ticket.answer: Ticket.level}", "FSM136"),
            before=INNER,
        ),
        case(
            "what is given is the caller's to set",
            "Other.thing is not the caller's to set",
            a=nested("give={Other.thing: Ticket.query}", "FSM136"),
            before=INNER,
        ),
        case(
            "what is required is given",
            "it requires Other.query, which it is not given",
            a=nested("reads=(), take={Ticket.answer: Other.thing}", "FSM136"),
            before=INNER,
        ),
        case(
            "what is given has the type of its field",
            "Ticket.locale holds str, which Number.number does not",
            a="State(Nested(Count, give={Number.number: Ticket.locale}), initial=True)  # FSM136",
            before="""
            class Number(Context):
                number: int

            class Count(Machine[Number]):
                b = State(work, initial=True)
                found, lost = Final(), Final(fallback=True)
                flow = b >> found
            """,
        ),
        case(
            "what is taken has the type of its field",
            "Other.thing holds str, which Ticket.level does not",
            a=nested("take={Ticket.level: Other.thing}, give={Other.query: Ticket.query}", "FSM136"),
            before=INNER,
        ),
        case(
            "a map goes over items",
            "Ticket.locale is no tuple of items",
            a="State(Map(Inner, over=Ticket.locale, item=Other.query, into=Ticket.answer, result=Other.thing),"
            " initial=True)  # FSM136 FSM136",
            before=INNER,
        ),
        case(
            "two branches write fields of their own",
            "the branches 'work_1', 'work_2' of 'a' all write 'answer'",
            a=branches("answer", "answer", found="FSM133"),
        ),
        case(
            "as many can end well as must",
            "join=3, and 2 branches",
            a=branches("answer", "level", more="join=3", found="FSM134"),
        ),
        case(
            "one must end well at least",
            "join=0, and 2 branches",
            a=branches("answer", "level", more="join=0", found="FSM134"),
        ),
        case(
            "a race is for one thing",
            "join='first', and they write different fields: 'work_1' 'answer'; 'work_2' 'level'",
            a=branches("answer", "level", more="join='first'", found="FSM134"),
        ),
        case(
            "a merge has something to merge",
            "merge= names 'level', which fewer than two of them write",
            a=branches("answer", "level", more="merge={Ticket.level: max}", found="FSM134"),
        ),
        case(
            "a failed end is no end to go on from",
            "the ends of 'a' name <Final lost>, its fallback: a run that ends there has failed",
            a=nested("ends={Inner.found: done, Inner.sold: done, Inner.lost: done}, reads=Ticket.query", "FSM135"),
            before=INNER,
        ),
        case(
            "an end is an end of that machine, and none is left out",
            "the ends of 'a' leave out 'sold', another good end of Inner",
            a=nested("ends={Inner.found: done, done: done}, reads=Ticket.query", "FSM135 FSM135"),
            before=INNER,
        ),
        case(
            "an end leads where one handoff leads",
            "the agent of 'a' routes to <Final human>, to which no handoffs lead",
            a=nested("ends={Inner.found: done, Inner.sold: human}, reads=Ticket.query", "FSM121"),
            before=INNER,
        ),
        case(
            "a part has the dependencies that the machine has",
            "'a' runs 'Inner', which has dependencies int",
            a=nested("give={Other.query: Ticket.query}", "FSM112"),
            before=INNER.replace("[Other]", "[Other, int]"),
        ),
        case(
            "a field counts as written if any k branches write it",
            "'b' reads 'answer', which this path did not write",
            """
            b = State(work, reads=Ticket.answer)  # FSM110
            flow = a >> b >> done
            """,
            a=branches("answer", "level", more="join=1, tolerate=True"),
        ),
        case(
            "what a state reserves leaves enough for a way out",
            "what 'a' runs ('answer_1', 'answer_2') may take 9,216 tokens, and the cheapest way on 2,304",
            """
            a = State(Parallel(*(LLMAgent("Do it.", writes=Ticket.answer) for _ in range(2)), join="first"),  # FSM137
                      initial=True)
            b = State(model())
            flow = a >> b >> done
            limits = Limits(tokens=11_519)
            """,
            a=None,
        ),
        case(
            "a run can pay for all that a state runs",
            "what 'a' runs (8 x 'answer') may take 36,864 tokens; the limit is 10,000 tokens",
            a="State(Map(LLMAgent('Do it.', reads=Ticket.query, writes=Ticket.answer), over=Ticket.many,"
            " item=Ticket.query, into=Ticket.all, result=Ticket.answer, most=8), initial=True)",
            context="Many",
            before="""
            class Many(Ticket):
                many: Given[tuple[str, ...]] = ()
                all: tuple[str | None, ...] = ()
            Ticket = Many
            """,
            found="FSM119",
        ),
    ],
)
def test_parts_that_do_not_fit(problem: str, source: str, path: Path) -> None:
    """What cannot cross, come together or go on is found at the state that runs the parts."""
    shows(path, source, problem)


@pytest.mark.parametrize(
    "state",
    [
        nested("take={Ticket.answer: Other.thing}"),
        nested("give={Other.query: Ticket.locale}"),
        branches("answer", "level"),
        branches("answer", "answer", more="join='first'"),
        branches("answer", "answer", "level", more="join=2, merge={Ticket.answer: max}"),
        branches("level", "level", more="merge={Ticket.level: sum}"),
    ],
)
def test_parts_that_fit(state: str, path: Path) -> None:
    """Parts that are given what they require, and whose fields come together, build."""
    assert load(path, machine(a=state, before=INNER)).M


def test_what_a_good_end_sets_is_written(path: Path) -> None:
    """A field that a final state sets was written on every path that ends there."""
    more = "\n    skip = Final(sets={Other.thing: ''})\n    late = b.on_failure(skip)\n"

    assert load(path, machine(a=nested("take={Ticket.answer: Other.thing}"), before=f"{INNER}{more}")).M


class Page(Context):
    """What is read, and where all of them stand."""

    url: str
    all: tuple[str, ...]
    urls: tuple[str, ...] = ()
    notes: tuple[str | None, ...] = ()
    note: str | None = None


def read(visit: Visit[Page]) -> dict[Any, Any]:
    """Read one."""
    return {Page.note: visit.context.url}


def test_the_item_of_a_map_is_known_by_its_name() -> None:
    """In whatever order fields are given, one of them is the item, and all others are given all that a field holds."""

    class Each(Machine[Page]):
        """Read them all."""

        each = State(
            Map(
                State(read, reads=(Page.url, Page.all), writes=Page.note),
                over=Page.all,
                item=Page.url,
                into=Page.notes,
                result=Page.note,
            ),
            initial=True,
        )
        done, human = Final(), Final(fallback=True)
        on = each.to(done)

    (part,) = Each.each.spec.parts
    object.__setattr__(part, "given", dict(sorted(part.given.items(), key=lambda given: given[0] != "url")))

    assert ("url", ["url", "all"]) == (part.item, list(part.given))
    assert [] == list(crossings(Each.definition))
