"""Where several fields or phrases are taken, one may be given alone."""

from fsm_orch import Context, Final, KeywordAgent, LLMAgent, State, Visit


class Ticket(Context):
    query: str
    answer: str | None = None


def reply(visit: Visit[Ticket]) -> None: ...


def test_one_field_is_as_good_as_a_tuple_of_one() -> None:
    """Fields of agents and of functions may be given alone."""
    for one, several in (
        (
            LLMAgent("Go.", reads=Ticket.query, writes=Ticket.answer),
            LLMAgent("Go.", reads=(Ticket.query,), writes=(Ticket.answer,)),
        ),
        (
            State(reply, reads=Ticket.query, writes=Ticket.answer),
            State(reply, reads=[Ticket.query], writes={Ticket.answer}),
        ),
    ):
        assert (
            (one.spec.reads, one.spec.writes)
            == (several.spec.reads, several.spec.writes)
            == ((Ticket.query,), (Ticket.answer,))
        )


def test_one_phrase_is_a_phrase_and_not_its_letters() -> None:
    """A phrase given alone is taken whole, by every agent that takes phrases."""
    alone, whole = LLMAgent("Go.", does="sell", must_not="lie"), LLMAgent("Go.", does=("sell",), must_not=("lie",))
    sales, human = Final(), Final(fallback=True)

    assert whole.spec.canonical == alone.spec.canonical
    by_word = KeywordAgent(Ticket.query, {sales: "red dress"}, otherwise=human)
    assert {"words": (("red dress",),)} == by_word.spec.canonical
