# %% [markdown]
# # 1. Your first machine
#
# You build a small help desk, run it, prove what it can cost, break it on purpose, and test it. Reading and running it
# takes about 25 minutes. In a clone of the repository, with Python 3.11 or newer, this installs what all notebooks
# need, and gets two small models that run on your own machine. There is no key and no bill:
#
# ```sh
# python3 -m venv .venv
# . .venv/bin/activate
# pip install -c constraints.txt -e '.[local,notebooks]' jupyterlab
# fsm-orch model get
# cd notebooks && jupyter lab
# ```
#
# Without Jupyter: work in `notebooks/`, save each file that is shown, type commands into a terminal, and all else into
# `python -m asyncio`, which knows `await`.
#
# **What we build.** A customer writes, and a model decides what they want. A question is looked up in a list of
# answers, and comes back to the model if it is not there. Money is paid back by a tool that a model uses, but only to
# people we know, and only if a human says yes. Whatever goes wrong ends with a colleague.
#
# ## A machine is a class
#
# It goes into a file, `desk.py`, because you will check it and test it from the command line too. Read it from the top;
# each part is explained below.

# %%
# %%writefile desk.py
"""A help desk that pays money back if a human says yes."""

import re

from fsm_orch import (
    Context,
    Final,
    Given,
    Limits,
    LLMAgent,
    Machine,
    Preset,
    State,
    Tool,
    Visit,
    guard,
    never,
)

ANSWERS = {"open": "We are open from 9 to 5.", "ship": "In two days."}


class Ticket(Context):
    """What the agents share: nothing else passes from one to another."""

    query: str
    customer: Given[str] = "guest"
    tried: Preset[tuple[str, ...]] = ()
    is_known: bool = False
    orders: Preset[tuple[int, ...]] = ()
    answer: str | None = None


@guard
def knows_them(ticket: Ticket) -> bool:
    return ticket.is_known


@guard
def has_answer(ticket: Ticket) -> bool:
    return ticket.answer is not None


def look_up(visit: Visit[Ticket]):
    text = visit.context.query.lower()
    found = [ANSWERS[word] for word in ANSWERS if word in text]
    return {
        Ticket.answer: found[0] if found else None,
        Ticket.tried: (*visit.context.tried, "the list of answers"),
    }


def identify(visit: Visit[Ticket]):
    orders = re.findall(r"#(\d{1,9})", visit.context.query)
    return {
        Ticket.is_known: bool(orders),
        Ticket.orders: tuple(map(int, orders)),
    }


def pay_back(order: int) -> str:
    """Pay an order back."""
    return f"order {order} is paid back"


class Desk(Machine[Ticket]):
    """Answer, pay back, or hand over to a colleague."""

    # states: each holds an agent, which is a model or a plain function
    triage = State(
        LLMAgent(
            "Decide what the customer wants.",
            reads=(Ticket.query, Ticket.tried),
        ),
        initial=True,
        max_visits=2,
    )
    faq = State(
        look_up,
        reads=(Ticket.query, Ticket.tried),
        writes=(Ticket.answer, Ticket.tried),
    )
    verify = State(
        identify,
        reads=Ticket.query,
        writes=(Ticket.is_known, Ticket.orders),
    )
    refund = State(
        LLMAgent(
            "Pay the order back, and tell the customer.",
            does="pay orders back",
            reads=Ticket.query,
            writes=Ticket.answer,
            tools=Tool(
                pay_back,
                approval=True,
                choices={"order": Ticket.orders},
            ),
            tool_first=True,
            asks=1,
            calls=2,
        )
    )

    # final states: a run ends in one of them
    answered = Final()
    human = Final(
        fallback=True,
        sets={Ticket.answer: "A colleague will call you."},
    )

    # handoffs: the only ways to move
    refund_money = triage.to(verify, "the customer wants money back")
    other_question = triage.to(faq, "anything else")
    found = faq.to(answered, guard=has_answer)
    back = faq.to(triage)
    approved = verify.to(refund, guard=knows_them)
    stranger = verify.to(human)
    paid = refund.to(answered)

    limits = Limits(hops=7, tokens=15_000, deadline_s=30)
    policies = (
        never(refund.tool(pay_back)).before(verify),
        never(refund.tool(pay_back)).when(~knows_them),
    )


# %% [markdown]
# A machine shows itself as a picture. Solid arrows are handoffs, with their guards in brackets. Dotted arrows are there
# without being declared: from every state a run can be *landed* in the fallback, which is what happens when anything
# fails.

# %%
from desk import Desk, Ticket

Desk

# %% [markdown]
# ### The context
#
# Fields have types and are validated. An agent never changes the context: it returns changes, such as `{Ticket.answer:
# "..."}`, and the machine applies them together with the handoff. There are four kinds of fields:
#
# | declared as | who writes it | readable |
# |---|---|---|
# | `query: str` | the caller, who must | from the start |
# | `customer: Given[str] = "guest"` | the caller, who may, and agents | from the start |
# | `tried: Preset[tuple[str, ...]] = ()` | agents only; it begins with its default | from the start |
# | `answer: str \| None = None` | agents only | once an agent has written it on every path |
#
# So a field that is carried round a cycle, as `tried` is, is a `Preset`. `orders` is one so that `refund` may read it
# however a run gets there.
#
# What a model or a human writes must fit the type of its field, or is refused, and they are told why. A `Literal`, an
# `Enum` or a `bool` gives them choices: with `urgency: Preset[Literal["today", "later"]] = "later"` a model writes one of
# the two, and nothing else. Guards over such fields are the ones that `check` sees through, each value by itself.
#
# ### States and agents
#
# One state is the `initial` one. An agent may read what its state says that it `reads`, and must write all that it
# `writes` (`None` where it has nothing): a field, or several in parentheses. Reading a field that nobody wrote on some
# path does not build. There are two kinds of agents here:
#
# * A **function** gets a *visit*, which is one stay in its state. `visit.context` has the fields.
# * A **model** is shown the fields that it reads, and replies with the name of a handoff. It may write too, and should
#   then be told its job: `does="pay orders back"`. There is `must_not=` too. The reply of the agent in `refund` holds an
#   answer beside the handoff.
#
# `pay_back` is a *tool* of the agent in `refund`: a typed function, whose docstring the model is told. The model fills in
# its parameters, reads what it returns, and then decides. Here `approval=True` says that each use waits for a human,
# `choices` that the order must be one of those that `identify` found, `tool_first=True` that the model uses the tool
# before it may say that money was paid, and `asks=1` that it uses it once. Its visit then takes two calls: one to use the
# tool, one to answer. With `calls=3` an answer that was refused may be mended. A use that was not approved counts too,
# and the model is told so. What a tool has done is not undone if the run is landed afterwards: where that matters let
# code, not the model, tell the customer, as `machines/refund.py` does.
#
# A human can be an agent too, as you will see [below](#a-human-who-decides).
#
# One final state is the `fallback`. What it `sets` is the default answer of a run that did not get to another end. A
# declared handoff to the fallback, such as `stranger`, is not a landing.
#
# ### Handoffs and guards
#
# A *guard* is a function of the context that says yes or no. It may look at the context and at nothing else. Guards
# combine: `a & b`, `a | b`, `~a`. A handoff whose guard says no is not legal, and a model is not even offered it. A model
# may also decline: its reply says `none_of_these`, and the run is landed. Give a model that decides an exit for anything
# else.
#
# A model chooses among the legal handoffs, by their names and descriptions, so choose names that say what a customer
# wants. A function that names none takes the first of its handoffs, in the order in which you declare them, whose guard
# says yes; it can name one by `Reply(handoff=...)`. That is why `found` stands before `back`, and `approved` before
# `stranger`.
#
# ### A cycle needs a bound
#
# `triage → faq → triage` is a cycle: `back` leads to where the run came from. A cycle must say how often it may turn,
# by `max_visits` of one of its states. Put it on the state that is asked again, here `triage`, and allow one visit more
# than the cycle may turn, since the first visit is no turn. After the last visit the way back is not legal. A state that
# has no other exit then has none that is legal, and the run is landed. So in `search → clarify → search`, where a human
# is asked what they mean, `max_visits=3` on `search` has two answers looked at, and lands a third question before it is
# asked. Here a run visits `triage` at most twice. Leave that out, and the class does not build:

# %%
from pathlib import Path

source = Path("desk.py").read_text()
Path("endless.py").write_text(source.replace("max_visits=2,", ""))
# !fsm-orch check endless

# %% [markdown]
# ### Limits
#
# What you do not say has a safe default, so a machine without `limits` is bounded too:
#
# | limit | what it bounds | default |
# |---|---|---|
# | `Limits(hops=...)` | handoffs in a run, the landing among them | 8 |
# | `Limits(tokens=...)` | tokens of a run, of all its calls together | 10,000 |
# | `Limits(cost_usd=...)` | dollars of a run | no limit |
# | `Limits(deadline_s=...)`, `Limits(visit_s=...)` | seconds of a run, and of one visit | 60 and 10 |
# | `LLMAgent(calls=...)` | requests to a model in one visit: the first, and a second if its reply was refused | 2 |
# | `LLMAgent(max_input_tokens=..., max_output_tokens=...)` | tokens of one request, and of its reply | 2,048 and 256 |
#
# ### Policies
#
# A *policy* is what must be true of every run. `never(refund.tool(pay_back)).before(verify)`: the tool is not used unless
# we verified first. `never(refund.tool(pay_back)).when(~knows_them)`: nor while the guard `knows_them` says no. Policies
# speak of states too, as in `never(refund).before(verify)`. There are also `at_most(2, faq)`, `eventually(refund)` and
# `after(verify).eventually(refund)`, imported from `fsm_orch`. A run that was landed is excused, unless you say
# `strict=True`, as in `eventually(refund, strict=True)`. A policy changes no run. It is proved before any run, as you
# will see.
#
# ### A human who decides
#
# In the desk a human approves the use of a tool. A human may also be the agent of a state, and choose its exit. Here is
# a second machine: a library that lends rare books only if the librarian says yes.

# %%
# %%writefile loans.py
"""A library lends books, rare ones only if a human says yes."""

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    LLMAgent,
    Machine,
    Preset,
    State,
    Tool,
    Visit,
    guard,
    never,
)

BOOKS = {"emma": 11, "atlas": 33}


class Loan(Context):
    title: str
    books: Preset[tuple[int, ...]] = ()
    is_rare: bool = False
    remark: str | None = None


@guard
def is_rare(loan: Loan) -> bool:
    return loan.is_rare


@guard
def is_found(loan: Loan) -> bool:
    return bool(loan.books)


def look_up(visit: Visit[Loan]):
    number = BOOKS.get(visit.context.title.lower())
    return {
        Loan.books: () if number is None else (number,),
        Loan.is_rare: number == 33,
    }


def hand_out(book: int) -> str:
    """Hand a book out."""
    return f"book {book} is handed out"


class Library(Machine[Loan]):
    """Lend books, rare ones only if the librarian says yes."""

    search = State(
        look_up,
        reads=Loan.title,
        writes=(Loan.books, Loan.is_rare),
        initial=True,
    )
    ask = State(
        HumanAgent("Lend it?", reads=Loan.title, writes=Loan.remark),
        expires_s=86_400,
    )
    lend = State(
        LLMAgent(
            "Hand the book out.",
            reads=Loan.title,
            tools=Tool(hand_out, choices={"book": Loan.books}),
            tool_first=True,
            asks=1,
            calls=2,
        )
    )
    lent, kept = Final(), Final(fallback=True)

    rare = search.to(ask, guard=is_found & is_rare)
    common = search.to(lend, guard=is_found & ~is_rare)
    unknown = search.to(kept)
    yes = ask.to(lend, "lend it")
    no = ask.to(kept, "keep it here")
    late = ask.on_timeout(kept)
    done = lend.to(lent)

    policies = (
        never(common).when(is_rare),
        never(lend).before(common | yes),
        never(lent).before(lend.tool(hand_out)),
    )


# %% [markdown]
# The run waits in `ask`. Each exit of a human has a description, since that is what the human sees. If nobody answers in
# a day, the run takes `late`; without `on_timeout` it would be landed, and without `expires_s` it would wait for as long
# as it takes. `expires_s` bounds the approval of a tool, too.
#
# **With a remark.** An approval is a yes or a no, and no more. Whatever else a human has to say, they write into a
# field, as `remark` here, which the agent of `lend` could read ([more of it](how-to/tools.md#with-a-remark)).
#
# **Only if a human said yes.** A policy has one of `before`, `after` and `when`, so "a rare book is lent only after a yes"
# is two of them. `common` and `yes` are the two ways into `lend`. One is never taken for a rare book, and nothing is lent
# before one of the two. Policies speak of handoffs as of states: `never(lend).before(yes)` would ask for a yes always.
# `never(common).after(is_rare)` would forbid `common` for good once a book was found to be rare.
#
# **Order is not a guard.** `common` says `~is_rare` though `rare` stands before it. A function may name any exit whose
# guard holds, and the proof lets it; order decides only where it names none. Without `~is_rare` the first policy would
# be *possible* to break.
#
# **Lent means that the tool was used.** The third policy says so. It holds, since `tool_first=True` has the model use the
# tool before it may reply, and nobody can decline. With `approval=True` on the tool, as in the desk, it would be
# violated: after a no the tool does not run, and the model still takes its exit, here `done`, there `paid`. So where the
# exit must mean that it was done, ask the human in a state before. A use counts even if the tool then fails.

# %%
from fsm_orch.proof import prove
from loans import Library

prove(Library)

# %% [markdown]
# ## Run it with a model that says what you want
#
# A `ScriptedModel` answers each request with the next reply of its script. It is free and always the same, so begin
# with it. In a notebook an event loop is running already, so you `await`; in a script, write
# `Runner(...).run_sync(...)`.

# %%
from fsm_orch import MemoryStore, Runner, ScriptedModel

use = {"tool": "pay_back", "arguments": {"order": 77}}
script = [
    {"handoff": "refund_money"},
    {"reply": {"use": use}},
    {"answer": "Your money is on its way."},
]
model = ScriptedModel(script)
desk = Runner(Desk, model=model, store=MemoryStore())
query = "Order #77 broke. My money back, please!"
result = await desk.run(Ticket(query=query), run_id="r1")
print(result.status, "-", result.waiting[0].text)

# %% [markdown]
# The run is not finished. It waits in its store, and takes no time and no money meanwhile. A human says yes, now or
# tomorrow. With `False` the tool is not used, and the model is told so; the run may still end in `answered`.
# (`MemoryStore` forgets with its process; `store="sqlite:///runs.db"` does not.)
#
# A reply has a key for each field that is written, and `handoff` where there are several to choose from. As long as the
# model may use a tool, all that stands under the one key `reply`, where `{"use": ...}` may stand instead. The last reply
# here has no such key, since `asks=1` is used up.

# %%
await desk.resume("r1", True)

# %% [markdown]
# The library waits for a choice, and for the remark that its `ask` writes. Where nothing is written, the handoff alone
# is the answer.

# %%
from loans import Loan

use = {"tool": "hand_out", "arguments": {"book": 33}}
librarian = ScriptedModel([{"reply": {"use": use}}, "It is yours."])
library = Runner(Library, model=librarian, store=MemoryStore())
result = await library.run(Loan(title="Atlas"), run_id="loan")
print(result.status, "-", result.waiting[0].text)

yes = {"handoff": Library.yes, Loan.remark: "with care"}
result = await library.resume("loan", yes)
print(result.status, "-", *(hop.handoff for hop in result.path))

# %% [markdown]
# What was the model shown? The fields that its agent reads, and the handoffs that are legal now:

# %%
for message in model.requests[0].messages:
    print(f"[{message.role}]", message.content, sep="\n")

# %% [markdown]
# ## A model that lies
#
# Models invent things. This one asks for a handoff that does not exist. Its reply is *refused*: nothing happens, it is
# charged, and the model is told why. Its second reply is taken:

# %%
model = ScriptedModel([{"handoff": "pay_now"}, *script])
desk = Runner(Desk, model=model, store=MemoryStore())
result = await desk.run(Ticket(query="Order #77 broke. Pay me now!"))

print(model.requests[1].messages[-1].content)
print(result.status, "after", result.usage.requests, "calls")

# %% [markdown]
# And one that never learns. The run does not crash, and it does not go on for ever. It is landed, with the default
# answer and the reason:

# %%
desk = Runner(Desk, model=ScriptedModel([{"handoff": "pay_now"}] * 100))
await desk.run(Ticket(query="Order #77 broke. Pay me now!"))

# %% [markdown]
# ## Run it with a real model
#
# `local:smollm2` has 135 million parameters. For another, write for example `model="openai:gpt-5-mini"`, with the extra
# `openai` and your key in the environment.

# %%
desk = Runner(Desk, model="local:smollm2", store=MemoryStore())
for query in (
    "I want my money back for order #77",
    "tell me a joke",
    "When do you open?",
):
    result = await desk.run(Ticket(query=query))
    print(query)
    for question in result.waiting:
        print("   waits:", question.text)
        result = await desk.resume(result.run_id, True)
    print("  ", *(hop.handoff or "landing" for hop in result.path))
    print("  ", result.context.answer)

# %% [markdown]
# The first is right: the model asked for the tool, we said yes, and it told the customer. The second turned the cycle
# once, and when `triage` had been visited twice, `back` was not legal any more, so the run was landed. The third is
# **wrong**: `ANSWERS` has the opening hours, and the model took the question for a refund. Nobody lost money, because
# the machine holds whatever its model says. That a run is safe is proved; that a model chooses well can only be measured
# ([notebook 4](4_routing.ipynb)).
#
# ## Prove what it can cost
#
# `check` calls no model. It looks at every run that is possible, whatever a model replies, and shows what none of them
# exceeds:

# %%
# !fsm-orch check desk

# %% [markdown]
# From the top:
#
# | it says | it means |
# |---|---|
# | digest | a fingerprint of this machine, stored with its runs |
# | first call, tokens of a visit | a request of `triage` is at most 2,048 + 256 = 2,304 tokens; a visit makes at most 2 |
# | visits at most, seconds | by `max_visits`, or else the limit of hops; the time of one visit |
# | tools | which a state may use, and how often in a visit |
# | at most 13,824 tokens, visiting ... | no run uses more; the path that uses so much is called the *witness* |
# | slack | the worst run fits the limit, so none is landed for lack of tokens; *guarded*: it does not fit, some may be, and `to make it fit` says what helps |
# | each further visit adds at most | what raising `max_visits` by one would cost, called the *toll* of a visit |
# | the limit of hops is not binding | raising it would cost nothing |
# | cost | dollars, if the price of the model is known |
# | time | the deadline |
# | checked edge by edge | the bounds are tested again by code that shares nothing with what found them |
# | explored | how many different situations runs can be in; all were looked at |
# | fields tried with every value | `is_known` decides a guard, so runs with each of its values were told apart; "2 of 3" of a `Literal`: guards tell two of them apart from each other |
# | opaque fields | a guard reads them, and they have too many values to try each, such as text |
# | fields that no guard reads | runs that differ in them alone were not told apart |
# | opaque guards | those that read such a field; both answers were tried |
# | fields that begin with their defaults | `is_known` is False until an agent writes it, since no caller may |
# | T1 closure | every move was a declared handoff whose guard said yes, or the landing |
# | T2 termination | hops and visits are within their limits |
# | T3 budget | what was spent, and what is reserved for calls under way, are within the limits of tokens and cost |
# | T4 deadline | a run is active for at most `deadline_s`, and the time to cancel one attempt |
# | T5 landing | from everywhere, the run can still be landed |
# | holds | the policy is true on every path; *violated*: a run breaks it in which agents do what they are allowed to; *possible*: one may, by an opaque guard |
# | if away | what a run does if an agent is down: it is landed, or takes a failure edge, or another exit of the state before |
# | assuming | what the proof rests on and cannot know |
# | findings | advice: here, that two limits could be lower; `fsm-orch explain FSM303` tells more |
#
# T6, that every field which an agent reads was written before, was checked when the class was built. T7 are your
# policies.
#
# ## Break it on purpose
#
# Suppose that someone adds a short cut for angry customers. It looks harmless. `prove` is `check` in a program:

# %%
short_cut = 'angry = triage.to(refund, "the customer is angry")'
place = "    other_question ="
hasty = source.replace(place, f"    {short_cut}\n{place}")
Path("hasty.py").write_text(hasty)

from hasty import Desk as HastyDesk

prove(HastyDesk)

# %% [markdown]
# Both policies are violated now. For each you see the shortest run that breaks it, a *counterexample*, and the smallest
# change that fixes it. In its table, *reserved* is what was held back for a call before it was sent, and *total* what had
# been charged. `check` also writes the first one as a test, which fails until you have fixed the machine:

# %%
# !fsm-orch check hasty --counterexample test_hasty.py > hasty.txt
# !pytest -q test_hasty.py | tail -3

# %% [markdown]
# ## Test it
#
# Three short tests, and none of them calls a model. `RoutingSafety` is a property test, made by
# [Hypothesis](https://hypothesis.readthedocs.io). It invents thousands of events: replies of broken JSON, handoffs that
# do not exist, agents that fail or take too long. After each it asserts T1 to T5, and that nothing was read that nobody
# wrote (T6). `assert_policy` fails if a policy does not hold on every path, and `assert_bounded` if somebody's change
# makes the worst run more expensive than you promised.
#
# None of this calls your functions. A mistake inside one lands the run. Run each path once with a `ScriptedModel`, or
# `pytest --fsm desk.py --fsm-call-agents`.

# %%
# %%writefile test_desk.py
from desk import Desk
from fsm_orch.testing import RoutingSafety, assert_bounded, assert_policy

TestDesk = RoutingSafety(Desk).TestCase


def test_no_refund_for_a_stranger():
    assert_policy(Desk)


def test_what_a_customer_can_cost():
    assert_bounded(Desk, tokens=13_824, calls=6, hops=5)


# %%
# !pytest -q test_desk.py | tail -1

# %% [markdown]
# `pytest --fsm desk.py` runs the property test, and more of its kind, without a file of your own. `pytest
# --fsm-coverage` lists the edges that the runs of your own tests never took.
#
# ### A test of your own
#
# `play` takes a path, turn by turn: each `Turn` says where the run must stand, which exit the agent takes, what it writes
# and uses, or how it fails. A day that nobody answers is over at once. Let Hypothesis draw the turns, and you have a
# property of your own. Draw among what is legal in each state, and every example gets to the end; texts drawn at random
# would be refused in the first. Assert by `==`, not by `if`, so that a property cannot pass because nothing was lent.

# %%
# %%writefile test_loans.py
from hypothesis import given
from hypothesis import strategies as st
from loans import Library, Loan, hand_out

from fsm_orch.testing import Turn, play


def lend(is_rare: bool, asked: Turn):
    found = {Loan.books: (33,), Loan.is_rare: is_rare}
    search = Turn(Library.search, changes=found)
    use = Turn(Library.lend, uses=[hand_out])
    turns = [search, asked, use] if is_rare else [search, use]
    return play(Library, Loan(title="Atlas"), turns)


def test_nobody_answers():
    result = lend(True, Turn(Library.ask, fails="timeout"))
    path = [hop.handoff for hop in result.path]
    assert path == ["rare", "late"]


@given(st.booleans(), st.sampled_from([Library.yes, Library.no]))
def test_a_rare_book_needs_a_yes(is_rare, answer):
    said = Turn(Library.ask, answer, changes={Loan.remark: "-"})
    is_lent = lend(is_rare, said).state is Library.lent
    assert is_lent == (not is_rare or answer is Library.yes)


# %%
# !pytest -q test_loans.py | tail -1

# %% [markdown]
# To have everything drawn, replies that lie and agents that fail too, write `@given(runs(...))`, with `runs` of
# `fsm_orch.testing`. More is in [Test routing in CI](how-to/tests.md#one-path).
#
# ## What you have now
#
# * a flow that nothing a model says can leave,
# * a bill that is bounded before the first call,
# * an answer at the end of every run,
# * rules that hold on every path,
# * money that moves only when a human says yes.
#
# **Next**: [2. The incident](2_incident.ipynb), what happens without all this, and what each guard is worth.
