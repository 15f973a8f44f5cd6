"""Findings about prompts, scopes and needless orchestration."""

from fsm_orch import Context, Final, HumanAgent, LLMAgent, Machine, Parallel, State, Tool, Window
from fsm_orch.proof.findings.prompts import needless_routing, recursive, shared, single_agent, unscoped


class Ticket(Context):
    query: str
    answer: str = ""


def found(rule, machine):
    return [(finding.code, finding.level, finding.problem) for finding in rule(machine.definition)]


class Twins(Machine[Ticket]):
    """Three models of which two are told the same, but for white space."""

    triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
    search = State(LLMAgent("Answer the\n  question.", writes=(Ticket.answer,)))
    billing = State(LLMAgent("Answer the question.", writes=(Ticket.answer,)))
    stock = State(LLMAgent("Answer the question.", does=("tell what is in stock",), writes=(Ticket.answer,)))
    answered, human = Final(), Final(fallback=True)
    to_search = triage.to(search, "a product")
    to_billing = triage.to(billing, "a bill")
    to_stock = triage.to(stock, "stock")
    done = (search | billing | stock).to(answered, "it is answered")


def test_models_that_are_told_the_same_are_found():
    """The second of two equal prompts is a finding; another `does` makes another prompt."""
    (finding,) = shared(Twins.definition)

    assert (finding.code, finding.level) == ("FSM501", "warning")
    assert finding.problem == "'billing' and 'search' have the same prompt: 'Answer the question.'"
    assert finding.where == Twins.billing.where


def test_models_that_read_or_write_other_fields_are_told_apart():
    """What they are shown and the form that they fill in are of the prompt, and so is how far back they look."""

    class Extract(Machine[Ticket]):
        one = State(LLMAgent("Extract.", reads=(Ticket.query,), writes=(Ticket.answer,)), initial=True)
        other_reads = State(LLMAgent("Extract.", writes=(Ticket.answer,)))
        other_writes = State(LLMAgent("Extract.", reads=(Ticket.query,)))
        other_window = State(LLMAgent("Extract.", reads=(Ticket.query,), writes=(Ticket.answer,), window=Window(1, 9)))
        done, human = Final(), Final(fallback=True)
        a = one.to(other_reads, "on")
        b = other_reads.to(other_writes, "on")
        c = other_writes.to(other_window, "on")
        end = other_window.to(done, "it is done")

    assert found(shared, Extract) == []


def test_a_model_that_answers_needs_a_scope():
    """What writes and has neither `does` nor `must_not` is found; what only routes has its menu."""
    assert [came.split()[0] for _, _, came in found(unscoped, Twins)] == ["'search'", "'billing'"]


class Part(Context):
    name: str
    parts: tuple["Part", ...] = ()


class Order(Context):
    query: str
    parts: tuple[Part, ...] = ()
    other: str = ""


def test_a_field_that_contains_itself_is_found():
    """A model that writes what has no fixed depth is found, since some providers refuse it; code may write it."""

    class Reads(Machine[Order]):
        read = State(LLMAgent("Read.", writes=(Order.other, Order.parts)), initial=True)
        work = State(print, writes=(Order.parts,))
        answered, human = Final(), Final(fallback=True)
        on = read.to(work, "it is read")
        done = work.to(answered)

    assert found(recursive, Reads) == [
        ("FSM505", "warning", "the model of 'read' writes Order.parts, whose type contains itself")
    ]


def test_code_has_no_prompt():
    """Two states of one function, or of two agents that say nothing of a prompt, are no twins."""

    class Code(Machine[Ticket]):
        one = State(print, initial=True)
        two = State(print)
        answered, human = Final(), Final(fallback=True)
        on = one.to(two)
        done = two.to(answered)

    assert found(shared, Code) == found(unscoped, Code) == found(needless_routing, Code) == []


def test_a_model_with_one_way_to_go_is_needless():
    """A model that chooses nothing and writes nothing is found with what it may cost; one that writes is not."""

    class OneWay(Machine[Ticket]):
        triage = State(LLMAgent("Route.", calls=3, max_input_tokens=90, max_output_tokens=10), initial=True)
        answer = State(LLMAgent("Answer.", writes=(Ticket.answer,)))
        answered, human = Final(), Final(fallback=True)
        on = triage.to(answer, "always")
        done = answer.to(answered, "it is answered")

    ((code, level, came),) = found(needless_routing, OneWay)
    assert (code, level) == ("FSM503", "note")
    assert came.startswith("the model of 'triage' has one way to go, to 'answer', and writes no field")
    assert "300 tokens" in came
    (finding,) = needless_routing(OneWay.definition)
    assert "if nobody is to read what it says, which is lost then" in finding.fix


def test_a_machine_of_one_model_is_said_to_be_one_call():
    """It is a note, with what a run may take and what a call would."""

    class Single(Machine[Ticket]):
        ask = State(
            LLMAgent("Answer.", writes=(Ticket.answer,), max_input_tokens=90, max_output_tokens=10), initial=True
        )
        answered, human = Final(), Final(fallback=True)
        done = ask.to(answered, "it is answered")

    (finding,) = single_agent(Single.definition)
    assert (finding.code, finding.level) == ("FSM504", "note")
    assert "at most 200 tokens" in finding.problem
    assert "(100 tokens at most)" in finding.fix
    assert found(needless_routing, Single) == []
    assert found(single_agent, Twins) == []


class Branches(Machine[Ticket]):
    """Two models at once, told the same, of which neither is told what is its job; and a human who only reads."""

    both = State(
        Parallel(
            LLMAgent("Answer.", writes=Ticket.answer),
            LLMAgent("Answer.", writes=Ticket.answer),
            merge={Ticket.answer: max},
        ),
        initial=True,
    )
    read = State(HumanAgent("Read it.", reads=Ticket.answer))
    done, human = Final(), Final(fallback=True)
    flow = both >> read >> done


def test_models_in_branches_need_a_scope_too():
    """Each model of a branch that writes is found where it stands; two that are told the same may be meant."""
    assert [came.split()[0] for _, _, came in found(unscoped, Branches)] == ["'answer_1'", "'answer_2'"]
    assert found(shared, Branches) == []


def test_a_human_with_one_way_to_go_is_no_needless_model():
    """Somebody who is to read something costs no call."""
    assert found(needless_routing, Branches) == []


def look_up(order: int) -> str:
    """Look it up."""
    return ""


class Handy(Machine[Ticket]):
    """Models with tools: told apart by them, and of use though they write nothing."""

    first = State(LLMAgent("Help.", tools=look_up), initial=True)
    second = State(LLMAgent("Help.", tools=Tool(look_up, approval=True)))
    third = State(LLMAgent("Help."))
    answered, human = Final(), Final(fallback=True)
    flow = first >> second >> third >> answered


class Lone(Machine[Ticket]):
    """One model with tools."""

    work = State(LLMAgent("Help.", tools=look_up), initial=True)
    answered, human = Final(), Final(fallback=True)
    flow = work >> answered


def test_tools_tell_models_apart_and_are_of_use():
    """A model with tools is neither another without them nor needless, and takes more than one call."""
    assert [finding[2] for finding in found(shared, Handy)] == ["'second' and 'first' have the same prompt: 'Help.'"]
    assert [finding[0] for finding in found(needless_routing, Handy)] == ["FSM503"]
    assert found(single_agent, Lone) == []
