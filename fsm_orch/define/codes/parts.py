"""Codes about machines in machines: what crosses, and how branches and ends come together (1xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM132",
        title="Field that a part may end without",
        problem="A field is taken from a machine that may end well without having written it.",
        why="What is taken would be a default, and the agent that reads it would work from it as if it were a result.",
        expected="fields that the part has written on every path to a good end",
        fix="write it on every path, set it at the end, or do not take it",
        mending="""
              class Search(Machine[Ticket]):
            -     look = State(work, initial=True)
            +     look = State(work, writes=Ticket.answer, initial=True)
                  found, lost = Final(), Final(fallback=True)
                  flow = look >> found

              class Desk(Machine[Ticket]):
                  search = State(Nested(Search, writes=Ticket.answer), initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = search.to(answered)
        """,
    ),
    Code(
        code="FSM133",
        title="Field that several branches write",
        problem="Branches that run at once write the same field, and nothing says which value it gets.",
        why="The last one to end would win, which differs from run to run.",
        expected="branches that write fields of their own, or a function that makes one value of all",
        fix="let each branch write a field of its own, or name a function in merge={...}",
        mending="""
              def longest(answers):
                  return max(answers, key=len)

              class Desk(Machine[Ticket]):
                  ask = State(
                      Parallel(
                          LLMAgent("Answer.", does="answer", reads=Ticket.query, writes=Ticket.answer),
                          LLMAgent("Answer at length.", does="explain", reads=Ticket.query, writes=Ticket.answer),
            +             merge={Ticket.answer: longest},
                      ),
                      initial=True,
                  )
                  answered, human = Final(), Final(fallback=True)
                  done = ask.to(answered)
        """,
    ),
    Code(
        code="FSM134",
        title="Join that cannot be kept",
        problem="As many branches cannot end well, a race has branches that write different fields, or a merge is of a "
        "field that fewer than two branches write.",
        why="Every visit would fail, or what was written would depend on which branch is the quickest.",
        expected="join='all', 'first' with branches that write the same fields, or a number of them",
        fix="let the branches of a race write the same fields, or wait for all",
        mending="""
              class Desk(Machine[Ticket]):
                  ask = State(
                      Parallel(
                          LLMAgent("Answer.", does="answer", reads=Ticket.query, writes=Ticket.answer),
            -             LLMAgent("Is it paid?", does="check", reads=Ticket.query, writes=Ticket.paid),
            +             LLMAgent("Answer at length.", does="explain", reads=Ticket.query, writes=Ticket.answer),
                          join="first",
                      ),
                      initial=True,
                  )
                  answered, human = Final(), Final(fallback=True)
                  done = ask.to(answered)
        """,
    ),
    Code(
        code="FSM135",
        title="Ends that do not fit",
        problem="The ends of a nested machine name what is none of its good ends, or leave one of them out.",
        why="A run that ends in the fallback has failed, so no handoff is taken from there; and from an end that is "
        "left out the order of declaration would decide where the run goes.",
        expected="every final state of the nested machine but its fallback",
        fix="name each final state of the nested machine but its fallback",
        mending="""
              class Search(Machine[Ticket]):
                  look = State(work, writes=Ticket.answer, initial=True)
                  found, lost = Final(), Final(fallback=True)
                  flow = look >> found

              class Desk(Machine[Ticket]):
                  answered, human = Final(), Final(fallback=True)
            -     search = State(Nested(Search, writes=Ticket.answer, ends={Search.lost: answered}), initial=True)
            +     search = State(Nested(Search, writes=Ticket.answer, ends={Search.found: answered}), initial=True)
                  done = search.to(answered)
        """,
    ),
    Code(
        code="FSM136",
        title="Field that cannot cross",
        problem="A part is given what it does not take, or not what it requires; or what crosses is of another type.",
        why="No run of it could start, or what it came to would be refused.",
        expected="the required and Given fields of the part, each given a value of its type",
        fix="give it each field that it requires, of the same type: give={its field: field of this machine}",
        mending="""
              class Order(Context):
            -     number: int
            +     number: str

              class Look(Machine[Order]):
                  look = State(print, initial=True)
                  found, lost = Final(), Final(fallback=True)
                  flow = look >> found

              class Desk(Machine[Ticket]):
                  search = State(Nested(Look, give={Order.number: Ticket.query}), initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = search.to(answered)
        """,
    ),
    Code(
        code="FSM137",
        title="Entry without a way out",
        problem="What is reserved when a state is entered leaves too little for any of its exits.",
        why="Whoever enters it is landed at once, since nothing is legal there, with nothing charged.",
        expected="limits that pay for what a state reserves and for the entry into one that follows it",
        fix="raise the limit, or lower the caps of the agents",
        mending="""
              class Desk(Machine[Ticket]):
                  sort = State(LLMAgent("Is it urgent?", does="sort", writes=Ticket.urgent), initial=True)
                  expert = State(LLMAgent("Answer.", does="answer", writes=Ticket.answer))
                  answered, human = Final(), Final(fallback=True)
                  flow = sort >> expert >> answered
            -     limits = Limits(tokens=4_000)
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM138",
        title="Machines too deep inside each other",
        problem="More machines would stand inside each other than a step can go through.",
        why="A step goes through all of them; begun by code that is deep in calls itself, it would run out of stack.",
        expected="32 machines inside each other at most, the outermost included",
        fix="let machines follow each other, as states of one, or run them for each item with Map",
        mending="""
              def around(inner):
                  class Desk(Machine[Ticket]):
                      run = State(Nested(inner), initial=True)
                      done, human = Final(), Final(fallback=True)
                      flow = run >> done

                  return Desk

              class Search(Machine[Ticket]):
                  look = State(work, initial=True)
                  found, lost = Final(), Final(fallback=True)
                  flow = look >> found

              deep = Search
            - for _ in range(32):
            + for _ in range(31):
                  deep = around(deep)
        """,
    ),
)
