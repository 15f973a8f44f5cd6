"""Rules about fields: those that agents and final states name, and that a journal can hold them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.declared import case, machine, module, refused, shows


@pytest.mark.parametrize(
    ("problem", "source"),
    [
        case(
            "an agent reads fields of its machine's context",
            "the agent of 'a' names Other.thing, which is not a field of Ticket",
            a="State(work, initial=True, reads=(Other.thing,))  # FSM111",
        ),
        case(
            "a field of another context is foreign, though it has the name of one of ours",
            "the agent of 'a' names Other.query, which is not a field of Ticket",
            a="State(work, initial=True, reads=(Other.query,))  # FSM111",
        ),
        case(
            "an agent writes no field of a context that is derived from it",
            "the agent of 'a' names Vip.manager, which is not a field of Ticket",
            a="State(work, initial=True, writes=(Vip.manager,))  # FSM111",
        ),
        case(
            "a final state sets fields of its machine's context",
            "final state 'lost' sets Other.thing, which is not a field of Ticket",
            "lost = Final(sets={Other.thing: 'x'}); to_lost = a.to(lost)  # FSM111",
        ),
        case(
            "a default answer is of its field's type",
            "sets Ticket.answer to a value that does not fit",
            "lost = Final(sets={Ticket.answer: 3}); to_lost = a.to(lost)  # FSM120",
        ),
        case(
            "a default answer is in its field's range",
            "sets Ticket.level to a value that does not fit",
            "lost = Final(sets={Ticket.level: -1}); to_lost = a.to(lost)  # FSM120",
        ),
        case(
            "a default answer is not made to fit",
            "sets Ticket.level to a value that does not fit",
            "lost = Final(sets={Ticket.level: True}); to_lost = a.to(lost)  # FSM120",
        ),
        case(
            "a default answer passes its context's validators",
            "sets Picky.answer to a value that does not fit",
            "lost = Final(sets={Picky.answer: ' '}); to_lost = a.to(lost)  # FSM120",
            context="Picky",
            before="""
            class Picky(Context):
                answer: str = "x"

                @field_validator("answer")
                @classmethod
                def not_blank(cls, value: str) -> str:
                    if not value.strip():
                        raise ValueError("an answer says something")
                    return value
            """,
        ),
        case(
            "a default answer survives a journal",
            "sets Blob.data to a value that does not fit: it does not survive being written as JSON",
            "lost = Final(sets={Blob.data: b'\\xff'}); to_lost = a.to(lost)  # FSM120",
            context="Blob",
            before="class Blob(Context):\n    data: bytes = b''",
        ),
        case(
            "a context has a schema",
            "Live.socket has no JSON schema",
            context="Live",
            found="FSM122",
            before="""
            class Socket:
                pass

            class Live(Context):
                model_config = ConfigDict(arbitrary_types_allowed=True)
                socket: Socket
            """,
        ),
        *(
            case(
                f"a model can be asked for what it writes, and not for {kind}",
                f"the model of 'a' writes Odd.thing, which holds {holds}",
                a="State(LLMAgent('Read.', writes=(Odd.answer, Odd.thing)), initial=True)  # FSM124",
                context="Odd",
                before=f"class Odd(Ticket):\n    thing: {kind}",
            )
            for kind, holds in (
                ("Annotated[str, WithJsonSchema({})]", "values of any kind"),
                ("Annotated[str, WithJsonSchema({'type': 'object'})]", "objects with any keys"),
                ("Annotated[str, WithJsonSchema({'enum': [[1]]})]", "a choice among values that are neither texts"),
                ("tuple[()]", "a tuple of nothing"),
                ("tuple[Annotated[str, WithJsonSchema({})], ...] | None", "values of any kind"),
            )
        ),
        module(
            "a field holds nothing that changes",
            "Bag.things holds a list",
            "class Bag(Context):  # FSM130\n    things: list[str] = []",
        ),
        module(
            "a field that is preset has a default",
            "Bag.things is marked Preset and has no default",
            "class Bag(Context):  # FSM131\n    things: Preset[tuple[str, ...]]",
        ),
    ],
)
def test_fields_that_cannot_be_kept(problem: str, source: str, path: Path) -> None:
    """Fields that the context does not have, or that a journal cannot hold, are found at the line that names them."""
    shows(path, source, problem)


def test_a_misspelt_field_gets_a_hint(path: Path) -> None:
    """A foreign field whose name is nearly right is told what it may have meant."""
    near = "class Near(Context):\n    answers: str = ''"
    state = "State(work, initial=True, writes=(Near.answers,))  # FSM111"

    assert "did you mean 'answer'?" in str(refused(path, machine(a=state, before=near)))
