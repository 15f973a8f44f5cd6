# %% [markdown]
# # 3. Proving and property testing
#
# Notebook 1 built a machine and let `fsm-orch check` judge it. Here is what stands behind that judgement: what is proved,
# why you can believe it, where proof ends and tests begin, and how far limits get you when real agents fail.
#
# Nothing here calls a model that costs anything, and nothing needs a key. [Notebook 1](1_first_machine.ipynb) says what
# to install.
#
# ## A machine with a way back
#
# Triage hands questions about bills to `billing`, which may hand them back: a cycle, of which each state is visited twice
# at most. Who wants money back must be known first.

# %%
# %%writefile hotline.py
"""A support desk that pays money back, to people it knows."""

from fsm_orch import (
    Context, Final, Limits, LLMAgent, Machine, State, Visit,
    at_most, guard, never,
)


class Ticket(Context):
    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


def check_identity(visit: Visit[Ticket]):
    return {Ticket.verified: "#" in visit.context.query}


def issue_refund(visit: Visit[Ticket]):
    return {Ticket.answer: "The money is on its way."}


class Support(Machine[Ticket]):
    """Answer questions about bills, and pay back what is owed."""

    triage = State(
        LLMAgent(
            "Decide who owns the query.",
            reads=Ticket.query,
            max_input_tokens=500, max_output_tokens=50,
        ),
        initial=True, max_visits=2,
    )
    billing = State(
        LLMAgent(
            "Answer questions about bills.",
            must_not="promise money back",
            reads=Ticket.query, writes=Ticket.answer,
            max_input_tokens=800, max_output_tokens=200,
        ),
        max_visits=2,
    )
    verify = State(
        check_identity, reads=Ticket.query, writes=Ticket.verified
    )
    refund = State(issue_refund, writes=Ticket.answer)
    answered = Final()
    human = Final(
        fallback=True,
        sets={Ticket.answer: "A colleague will call you."},
    )

    to_billing = triage.to(billing, "invoices, payments, prices")
    to_human = triage.to(human, "anything else")
    back = billing.to(triage, "it is not about a bill")
    to_verify = billing.to(verify, "they want their money back")
    done = billing.to(answered, "the question is answered")
    approved = verify.to(refund, guard=is_verified)
    unknown = verify.to(human)
    refunded = refund.to(answered)

    limits = Limits(hops=6, tokens=6_500, deadline_s=60)
    policies = (
        never(refund).before(verify),
        never(refund).when(~is_verified),
        at_most(2, billing),
    )

# %% [markdown]
# ## What no run can exceed
#
# `prove` is what `check` prints, as a value. It calls no model; it is given the name of one, so that dollars are bounded
# too.

# %%
from fsm_orch.proof import prove
from hotline import Support, Ticket

proof = prove(Support, model="openai:gpt-5-mini")

print(proof.bounds)
for judged in proof.policies:
    print(judged.verdict, judged.policy)

# %% [markdown]
# These numbers are no averages, and nothing was sampled. Each comes with a **witness**, the most expensive path there is,
# and with **tolls**: by how much the bound rises, at most, if one more visit is allowed.

# %%
for measure in ("tokens", "calls", "hops"):
    bound = proof.certificate.bounds[measure]
    print(f"{measure}: at most {bound.bound:,}; gap {bound.gap}")
    print("   ", " -> ".join(bound.witness.states))

tokens = proof.certificate.bounds["tokens"]
print("\ntokens of a visit:", dict(tokens.worst_case))
print("tolls:", {at: int(toll) for at, toll in tokens.per_visit.items()})

# %% [markdown]
# A gap of 0 means that the witness reaches the bound, so no lower number would be true. Read the tolls as a price list:
# a third visit of `billing` adds 2,000 tokens at most, one of `triage` 1,100. Try it. One more visit of `billing` alone
# adds nothing, since only `triage` leads there; both together add both tolls.

# %%
from importlib import import_module
from pathlib import Path

source = Path("hotline.py").read_text()


def variant(name, *changes):
    """Write the machine with some of its text replaced; import it."""
    text = source
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path(f"{name}.py").write_text(text)
    return import_module(name).Support


thrice_billing = ("        max_visits=2,\n", "        max_visits=3,\n")
thrice_triage = ("initial=True, max_visits=2", "initial=True, max_visits=3")

for machine in (
    variant("one_more", thrice_billing),
    variant("both_more", thrice_billing, thrice_triage),
):
    bound = prove(machine).certificate.bounds["tokens"]
    print(f"{bound.bound:,}:", " -> ".join(bound.witness.states))

# %% [markdown]
# ## What was looked at
#
# Bounds come from arithmetic on the graph. Policies, and the promise that a run always ends in a declared state, come
# from *exploration*: every run is walked through, by the same `step` that real runs are made of. Agents are taken to do
# anything there: propose any handoff, write any value, fail, time out.

# %%
explored = proof.exploration
print(explored.configurations, "configurations,", explored.steps, "steps")
print("all runs:", explored.is_complete)
print("held after every step:", *explored.held)
for line in explored.abstracted:
    print("-", line)

# %% [markdown]
# Twelve are all there are, because what decides nothing is not told apart. The text of a query decides nothing in this
# machine, so one query stands for all; `verified` decides something, so both its values were tried. T1 to T5 are what
# every machine promises: no handoff but a declared one whose guard held (T1), an end within the hops and visits (T2),
# within the tokens (T3), active for at most `deadline_s` and the time to cancel one attempt (T4), and able to reach the
# fallback at every moment (T5).
#
# And the lines below say what all of this rests on. Read them: they are the price of the word "proved".

# %%
import textwrap

for line in proof.certificate.assumptions:
    print(textwrap.fill(f"- {line}", 76, subsequent_indent="  "))

# %% [markdown]
# ## A policy that is broken
#
# Somebody tidies up, and the guard of `approved` is gone. The machine builds, every test with a friendly customer passes,
# and money goes to anybody:

# %%
Tidied = variant("tidied", ("refund, guard=is_verified)", "refund)"))
broken = prove(Tidied)

for judged in broken.policies:
    print(f"{judged.verdict:9} {judged.policy}")

(found,) = broken.counterexamples
print("\nshortest path:")
for leg in found.trace.legs:
    print("  ", leg, dict(leg.changes) or "")
print("\nfix:", found.change.edit.words)

# %% [markdown]
# The counterexample is a shortest run that breaks the policy: `verify` says no, and `refund` is entered all the same. The
# fix is the smallest edit that was found; it counts only because it was tried and proved to help, and because runs
# still get wherever they got before.
#
# ## Tests
#
# A test file for a machine has two kinds of lines. The first are **proofs as assertions**: no run is made, and a failure
# shows the path. The second are **property tests**: runs are made by the thousand, by adversaries.

# %%
# %%writefile test_hotline.py
from hypothesis import settings

from fsm_orch import at_most, never
from fsm_orch.testing import (
    RoutingSafety, Turn, assert_bounded, assert_policy, play,
)
from hotline import Support, Ticket

settings.load_profile("ci")  # the same examples each time

# Hypothesis plays the world against the machine, input by input,
# and after each of them the promises T1 to T6 are checked.
TestSupport = RoutingSafety(Support).TestCase


def test_what_a_ticket_can_cost():
    assert_bounded(Support, tokens=6_200, calls=8, hops=6)


def test_what_holds_on_every_path():
    assert_policy(Support)  # its own policies
    assert_policy(
        Support,
        at_most(1, Support.refund),
        never(Support.answered).before(Support.billing),
    )


def test_the_bound_is_reached():
    """Take the witness, with calls that use all they may."""
    nothing = {Ticket.answer: None}
    spent = (None, None)  # two calls whose usage nobody reports
    result = play(
        Support,
        Ticket(query="I do not know what I want"),
        [
            Turn(Support.triage, Support.to_billing, tokens=spent),
            Turn(Support.billing, Support.back, nothing, tokens=spent),
        ]
        * 2,
    )

    assert result.charged_tokens == 6_200
    assert result.state is Support.human
    assert result.landing.reason == "visits"

# %%
# !pytest -q --no-header test_hotline.py

# %% [markdown]
# `play` takes a path that you write down, with the real machine and agents that follow your script. The last test takes
# the witness: the bound is not only safe, some run really gets there. The run then asked for a third visit of `triage`,
# was refused it, and *landed*: it ended in the fallback, with an answer.
#
# This is what a proof looks like that fails. The path is part of the message:

# %%
from fsm_orch.testing import assert_bounded, assert_policy

for claim in (
    lambda: assert_bounded(Support, tokens=4_000),
    lambda: assert_policy(Tidied),
):
    try:
        claim()
    except AssertionError as error:
        print(error, end="\n\n")

# %% [markdown]
# ## What no proof sees
#
# A proof takes an agent to do anything, so it says nothing of what an agent *should* do. Here `verify` is careless: it
# takes anybody for known who writes "order". Every proof still holds, and rightly: money goes only where `verified` is
# true.

# %%
careless = ('"#" in visit.context.query', '"order" in visit.context.query')
Careless = variant("careless", careless)

print(prove(Careless).is_sound())

# %% [markdown]
# What you know of your own world, you say as a property, with a strategy of your own. This one draws what customers
# write. The model is the kit's: it picks from the menu, or misbehaves, as a *tape* of bytes decides, which Hypothesis
# draws too. All else is the machine's own, `check_identity` above all.

# %%
properties = '''
from hypothesis import given, settings, strategies as st

from fsm_orch import Runner
from fsm_orch.testing import AdversarialModel, tapes
from MODULE import Support, Ticket

settings.load_profile("ci")


@st.composite
def tickets(draw):
    """Draw what customers write: some give the number of an order."""
    wish = draw(st.sampled_from([
        "my money back", "where is my order?", "what is this charge?",
    ]))
    number = draw(st.none() | st.integers(1, 9_999))
    return Ticket(query=f"{wish} #{number}" if number else wish)


@given(ticket=tickets(), tape=tapes(min_size=0))
def test_no_money_without_a_number(ticket, tape):
    """Whatever a model says, money needs the number of an order."""
    attacks = ["hallucinated_name", "closed_door", "truncated"]
    model = AdversarialModel(tape, attacks=attacks, machine=Support)
    result = Runner(Support, model=model).run_sync(ticket)

    went = [hop.target for hop in result.path]
    assert "refund" not in went or "#" in ticket.query
    assert result.charged_tokens <= 6_200
'''

for module in ("hotline", "careless"):
    text = properties.replace("MODULE", module)
    Path(f"test_{module}_properties.py").write_text(text)

# %%
# !pytest -q --no-header test_hotline_properties.py

# %%
# !pytest -q test_careless_properties.py | grep -A3 'Failing test case'

# %% [markdown]
# Hypothesis found the customer who only asks where an order is, and shrank the run: an empty tape is the tamest model,
# which always picks the first handoff of its menu.
#
# ## Adversaries
#
# Hallucinated handoffs, doors that are closed now, JSON cut in the middle, prose, no usage: the kit has a model that does
# each of them on purpose. Here its tape is random, from a seed. Each attack gets a hundred runs, and no reply of the
# model is without it.

# %%
import logging
from collections import Counter
from random import Random

from fsm_orch import Runner
from fsm_orch.testing import AdversarialModel, Tape

# it warns of an agent that is slow, as a busy machine makes any
logging.getLogger("fsm_orch").setLevel(logging.ERROR)


async def attacked(attack, runs=100):
    tape = Random(attack)
    ends, most = Counter(), 0
    for _ in range(runs):
        model = AdversarialModel(
            Tape(tape.randbytes(200)),
            attacks=[attack], one_in=1, machine=Support,
        )
        query = Ticket(query="#7 was broken, my money back")
        result = await Runner(Support, model=model).run(query)
        ends[result.state.name] += 1
        most = max(most, result.charged_tokens)
    return ends, most


print(f"{'attack':18} {'answered':>8} {'human':>6} {'most tokens':>12}")
for attack in (
    "hallucinated_name", "look_alike", "closed_door", "self_handoff",
    "ping_pong", "two_decisions", "truncated", "prose", "flood",
    "missing_usage", "lying_usage",
):
    ends, most = await attacked(attack)
    print(
        f"{attack:18} {ends['answered']:8} {ends['human']:6} {most:12,}"
    )

# %% [markdown]
# Every run ended in one of the two final states. But look at the last line: its model used more tokens than it was
# allowed, and said so. That breaks an *assumption* ("providers keep their output caps"), and then the bound of 6,200 is
# worth nothing, as it must be. What is left is this: no call follows the one that went over, and the run lands.
#
# In a test, `runs` draws whole runs with all attacks mixed, time-outs and cancellations among them, on a clock of its
# own: `@given(runs(Support))`.
#
# ## A certificate, made once and checked at every start
#
# The proof can travel. CI makes a certificate, the service loads it and checks it before it takes a request: edge by
# edge, in exact arithmetic, without a solver. It holds for one definition, one set of models and prices, one set of
# limits.

# %%
from fsm_orch import Certificate, ScriptedModel, StartError


def model():
    return ScriptedModel([
        {"handoff": "to_billing"},
        {"handoff": "pay_now", "answer": None},  # there is no such thing
        {"handoff": "to_verify", "answer": None},
    ])


made = prove(Support, model=model()).certificate
Path("hotline.json").write_text(made.dump())  # in CI

text = Path("hotline.json").read_text()  # in the service
runner = Runner(Support, model=model(), certificate=Certificate.load(text))
print(made.verdict("tokens"), made.digest[:12])

# %% [markdown]
# "slack" says that the worst case fits the limit, so no run is ever cut short for lack of tokens. A certificate that was
# tampered with, or that was made for another machine, is refused:

# %%
for machine, text in (
    (Support, made.dump().replace("6200", "5200")),
    (Tidied, made.dump()),
):
    try:
        Runner(
            machine, model=model(), certificate=Certificate.load(text)
        )
    except StartError as error:
        print(textwrap.shorten(str(error), 140), end="\n\n")

# %% [markdown]
# While a run goes on, the certificate says what may still come. `settled + reserved + ahead` never rises: what you read
# there is the worst bill from here on.

# %%
result = await runner.run(Ticket(query="#7 was broken, my money back"))

print(f"{'record':14} {'settled':>8} {'reserved':>8} {'ahead':>6} worst")
for record in result.records:
    at = record.stamp
    worst = at.settled + at.reserved + at.ahead
    print(
        f"{record.kind:14} {at.settled:8,} {at.reserved:8,}"
        f" {at.ahead:6,} {worst:5,}"
    )

# %% [markdown]
# ## The same run again, from its journal
#
# A journal is a list of what the world did: calls, replies, failures. The run is folded from it by the same `step`, so a
# journal is all that an audit needs. No model is called, and no agent acts.

# %%
from fsm_orch import to_json
from fsm_orch.store import input_from_json

lines = [to_json(event) for event in result.journal]
print(len(lines), "inputs, the fourth:", lines[3].decode()[:40], "...")

journal = [input_from_json(line) for line in lines]
again = runner.replay(journal)
print("the same:", again == result)

for end in (1, 4, 7, 10, 12):  # or any moment of it
    then = runner.replay(journal[:end])
    last = journal[end - 1].kind
    print(f"{last:8} at {then.state.name:8} {then.charged_tokens:4} tokens")

# %% [markdown]
# ## What limits do to real failures
#
# All of this bounds what a run can *cost*. Does that help when agents fail in earnest?
# [Who&When](https://github.com/mingyin1/Agents_Failure_Attribution) (Zhang et al., ICML 2025) has 92 recorded runs of two
# multi-agent systems that failed at real tasks. In each, a person found the message with the decisive mistake. What comes
# after it is waste. What comes before it was still good work, and a limit that ends the run there destroys it.
#
# Each limit is replayed on the recorded handoffs, at several settings. The recordings are not part of this project; the
# sums over all of them are, made by `python -m figures.recorded FILE`.
#
# <picture>
#   <source media="(prefers-color-scheme: dark)" srcset="pictures/recorded-dark.svg">
#   <img alt="What each limit saves of the waste, against what it loses of the good work" src="pictures/recorded.svg">
# </picture>

# %%
from figures.recorded.figures import read
from figures.recorded.guards import GUARDS

seen = read()
print(
    f"{seen.runs} runs, {seen.tokens:,} tokens,"
    f" {seen.wasted / seen.tokens:.0%} of them after the mistake\n"
)
print(f"{'a limit on':34} stopped  too early  waste cut  good lost")
for name, effects in seen.guards.items():
    for effect in effects:
        print(
            f"{effect.setting:6,} {GUARDS[name].words:27}"
            f" {effect.stopped:7} {effect.early:10}"
            f" {seen.cut(effect):10.0%} {seen.lost(effect):10.1%}"
        )

# %% [markdown]
# *Too early* are the runs that a limit ends before their mistake has happened. Three things to read here:
#
# **Simple limits win.** For nearly every setting of something cleverer there is a plain cap on visits that saves as much
# and loses no more. Loop detection is not worth building:

# %%
for name in ("cycle", "tokens", "orchestrator"):
    for effect in seen.guards[name]:
        cap = seen.beating(effect)
        better = f"{cap.setting} visits of one agent" if cap else "-"
        print(f"{effect.setting:6,} {GUARDS[name].words:28} {better}")

# %% [markdown]
# The two that no cap beats: six rounds of a cycle lose a little less than six visits, and save less, too; and a budget of
# 2,000 tokens loses more than half of the good work.

# %%
rounds, visits = (
    next(effect for effect in seen.guards[name] if effect.setting == 6)
    for name in ("cycle", "visits")
)
less_lost, less_saved = visits.lost - rounds.lost, visits.cut - rounds.cut
print(f"six rounds lose {less_lost:,} tokens less,")
print(f"and save {less_saved:,} less")

# %% [markdown]
#
# **The kernel does what the arithmetic says.** Each recorded run was also made into a machine of its own agents, and
# played, with `max_visits` or `hops` as its only limit. Where it landed, and what it had spent by then, is the same:

# %%
for name, judged in seen.kernel.items():
    print(GUARDS[name].words)
    for verdict in judged:
        print(
            f"  at most {verdict.setting:2}: landed {verdict.landed:2},"
            f" the same verdict on {verdict.agreed} of {seen.runs}"
        )

# %% [markdown]
# **Most failures never come near a limit.** All at once, 12 handoffs, 4 visits of one agent and 3 rounds of a cycle leave
# more than half of the runs alone:

# %%
together = seen.together
print(f"no limit stops {together.missed} of {seen.runs} runs,")
print(f"with {together.missed_wasted:,} wasted tokens")
print(f"median mistake: message {seen.median_mistake:g}, from 0")
print(f"made by the orchestrator: {seen.by_orchestrator} of {seen.runs}")

# %% [markdown]
# A limit bounds the waste. It does not find the mistake, which mostly comes early, in some agent's work, and looks like
# any other message. Whether the *right* agent gets a query, and whether it answers well, must be measured:
# [notebook 4](4_routing.ipynb) does it for routing.
#
# What these figures cannot say:

# %%
magentic = seen.magentic
print(
    f"- All {seen.runs} runs failed. What a limit costs runs that would"
    f"\n  have succeeded is not in this data."
    f"\n- Tokens are those of each message. What was billed is more, since"
    f"\n  the history is sent again with every call."
    f"\n- {magentic.runs} of the {seen.runs} runs are Magentic-One's, and"
    f" hold {magentic.tokens / seen.tokens:.0%} of the tokens."
    f"\n- Messages of one speaker in a row count as one visit, and the"
    f"\n  question as none."
)

# %% [markdown]
# ## What you have now
#
# * bounds with a path that reaches them, and what one more visit would add,
# * policies that hold on every path, or a counterexample and its fix,
# * property tests for what proofs cannot see, and adversaries for what nobody thinks of,
# * a certificate that a service checks when it starts, and a journal that an audit folds again,
# * and a sober view of what limits do: they bound the damage of a failure that something else must prevent.
#
# **Next**: [4. Routing real queries](4_routing.ipynb)
