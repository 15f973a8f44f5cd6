# %% [markdown]
# # 4. Routing real queries
#
# A handoff that is legal can still be the wrong one. It is proved that a run takes no handoff but declared ones,
# and what it costs at most. Whether a query reaches the right specialist cannot be proved. It can be measured, and that
# is what this notebook does: first with a small desk of your own, then with 1,625 real queries.
#
# It needs 23 MB of weights that run on your own machine; `fsm-orch model get minilm` gets them, and
# [notebook 1](1_first_machine.ipynb) says what to install.
#
# ## Route by examples
#
# An `ExamplesAgent` is given, for each state, a few queries that belong there. They are *embedded*: a small network
# makes a vector of each text, and texts that mean alike lie near each other. The mean of a state's examples is its
# *centroid*. A query goes to the state with the nearest centroid. If even that is too far away, nobody is chosen,
# and the query goes to `otherwise`.

# %%
# %%writefile desk.py
"""A library's desk, which knows what it does not know."""

from fsm_orch import (
    Context, ExamplesAgent, Final, Limits, Machine, State, Visit,
)


class Question(Context):
    text: str
    answer: str | None = None


def lend(visit: Visit[Question]):
    return {Question.answer: "You can have five books for four weeks."}


def tell_hours(visit: Visit[Question]):
    return {Question.answer: "We are open from 9 to 5."}


class Desk(Machine[Question]):
    """Answer what is about loans or hours, and nothing else."""

    loans = State(lend, writes=Question.answer)
    hours = State(tell_hours, writes=Question.answer)
    answered = Final()
    human = Final(
        fallback=True,
        sets={Question.answer: "A colleague will write to you."},
    )
    triage = State(
        ExamplesAgent(
            Question.text,
            {
                loans: {
                    "how long": (
                        "how long can i keep a book?",
                        "can i renew my loan?",
                    ),
                    "how many": (
                        "how many books may i borrow?",
                        "what is the limit of items on my card?",
                    ),
                },
                hours: (
                    "when do you open?",
                    "are you closed on sundays?",
                ),
            },
            otherwise=human,
            threshold=0.4,
        ),
        initial=True,
    )

    to_loans = triage.to(loans)
    to_hours = triage.to(hours)
    to_human = triage.to(human)
    done = (loans | hours).to(answered)

    limits = Limits(hops=2)

# %% [markdown]
# `loans` is about two things. Each has a name, and a centroid of its own: the mean of both would lie somewhere between
# them, near to neither.

# %%
from desk import Desk, Question
from fsm_orch import Runner

runner = Runner(Desk)
for text in (
    "could i keep these till march?",
    "is there a maximum to what i can take home?",
    "is the library open on saturday?",
    "who wrote war and peace?",
    "where can i park?",
):
    result = await runner.run(Question(text=text))
    print(f"{text:52}{result.path[0].target}")

# %% [markdown]
# None of the examples says "march", "maximum" or "saturday". The last two queries are not for this desk. No model was
# asked to route, so it costs nothing, and the same query always goes to the same state. For a proof such an agent is like
# any other: every handoff that it could take is looked at.

# %%
from fsm_orch.proof import prove

proof = prove(Desk)
print(proof.bounds.calls, "calls,", proof.bounds.tokens, "tokens at most")
print(Desk.triage.agent)

# %% [markdown]
# The line above says what decides: the examples, by their SHA-256, the threshold, and what embeds. All three are part
# of the machine's digest. Change one, and it is another machine, in every journal and certificate.
#
# ## Three errors, and you choose among them
#
# | error | what happened | who minds |
# |---|---|---|
# | *misroute* | a query went to the wrong specialist | who gets a wrong answer |
# | *false fallback* | a query that is ours was sent away | who waits for a colleague |
# | *leak* | a query that is not ours was let in | who gets an answer that nobody should give |
#
# Each can be bought with the others: send everything to a human, and nothing is misrouted and nothing leaks. So look at
# all three. The *threshold* is what trades them. Choose it on queries that are not among the examples, and say what
# each error costs you:

# %%
from fsm_orch.evaluate.thresholds import Costs, tuned

held_out = [
    ("may i extend my loan by two weeks?", "loans"),
    ("may i have this novel for another month?", "loans"),
    ("are you open late?", "hours"),
    ("are you open on christmas day?", "hours"),
    ("what time do the doors close?", "hours"),
    ("do you have wifi?", "nobody"),
    ("i lost my umbrella", "nobody"),
    ("can i borrow your phone?", "nobody"),
    ("i need a loan for my house", "nobody"),
    ("when is the next bus?", "nobody"),
]
agent = Desk.triage.agent
for name, costs in (
    ("all errors alike", Costs()),
    ("a leak costs 10 times as much", Costs(leak=10)),
    ("sending away costs 10 times as much", Costs(false_fallback=10)),
):
    point = tuned(agent, held_out, costs=costs)
    rates = point.rates
    print(f"{name:37}", end="")
    print(f"{rates.false_fallback.count} sent away, ", end="")
    print(f"{rates.leak.count} let in, ", end="")
    print(f"{rates.misroute.count} misrouted")

# %% [markdown]
# "I need a loan for my house" sounds more like a query for this desk than "may i have this novel for another
# month?", so no threshold gets both right. Ten queries are enough to see that, and far too few to choose by.
#
# ## 1,625 real queries
#
# The help desk in `machines/helpdesk.py` has five specialists. It is asked what people really asked, word for word: the
# test split of [CLINC150](https://aclanthology.org/D19-1131/), of which 501 queries are for none of the five. The
# same desk is built with different routers. Words and examples are of the train split alone, and the threshold, 0.40,
# is the best on the validation split:

# %%
from IPython.display import SVG, Markdown

from figures import routing

Markdown(routing.table())

# %%
SVG(routing.picture())

# %% [markdown]
# On the left, the curve is all thresholds of the examples: to the lower left is better. On the right is what became of
# all queries, with each router, and below with each threshold.
#
# * **Examples are right most often.** They have no tokens to pay, and take a few milliseconds on one thread.
# * **Words are surprisingly good**, ten times as fast, and need nothing installed. They send away one query in
#   seven that is ours. There is a threshold with which the examples beat them in both errors:

# %%
words = routing.rates(routing.recorded()["routers"]["words"])
curve = routing.curve(routing.recorded()["routers"]["examples"])
better = [
    point.threshold
    for point in curve.points
    if point.rates.leak.count < words.leak.count
    and point.rates.false_fallback.count < words.false_fallback.count
]
print(f"from {better[0]} to {better[-1]}")

# %% [markdown]
# * **A small language model is a poor router.** With 135 million parameters it is right less often than one time in
#   three, and lets in nearly everything. Its replies are all legal: a grammar sees to that. Legal is not right.
# * **Asking it where words do not decide makes words worse.** Words that do not decide send a query to a human,
#   which is right for most of them. The small model hardly ever says "none of these".
# * **Words before examples gain speed and fewer queries sent away, and leak more**: 21.2 % instead of 17.8 %. Where a
#   word decides, no threshold is looked at.
#
# We have not measured a large model. It costs tokens and time, and it has the same three errors. Measure yours, with
# the same command (the figures above are recorded; of the models, on 60 queries):
#
# ```sh
# fsm-orch eval machines.helpdesk:ByModel --data clinc_queries.csv --split test \
#     --model openai:gpt-5-mini --limit 200 --plot routing.svg
# ```
#
# ## What does an error cost you?
#
# The best threshold follows from it. These are the errors of the test split at that threshold, by what you say:

# %%
for name, costs in (
    ("all errors alike", Costs()),
    ("a leak costs 5 times as much", Costs(leak=5)),
    ("sending away costs 5 times as much", Costs(false_fallback=5)),
):
    point = curve.best(costs)
    rates = point.rates
    print(f"{name:35}at {point.threshold:.2f}: ", end="")
    print(f"{100 * rates.false_fallback.rate:.1f} % sent away, ", end="")
    print(f"{100 * rates.leak.rate:.1f} % let in")

# %% [markdown]
# Do not tune on the queries that you measure on, as these lines do to show the trade: take a split of its own.
#
# ## Measure your own desk
#
# `fsm-orch eval` takes a CSV: the query, and the state that it should reach. Any other word means nobody.

# %%
import csv
from pathlib import Path

with Path("queries.csv").open("w", newline="") as lines:
    csv.writer(lines).writerows([("text", "specialist"), *held_out])

# !fsm-orch eval desk --data queries.csv --plot routing.svg > page.txt
# !head -11 page.txt

# %% [markdown]
# Further down, it says what the runs cost, how long a decision took, and which threshold would have made the fewest
# errors. `--beside MODULE:Machine` measures another machine on the same queries. The picture is in `routing.svg`.
#
# ## Which router?
#
# | take | where |
# |---|---|
# | words | they are few and clear, nothing may be installed, or you must be able to say why a query went where |
# | examples | people ask in their own words, and you have a few examples of each thing that they ask |
# | a model | it needs more than the query: a conversation, reasoning, a choice among many |
# | words or examples, then a model | most queries are easy, and you have measured the model on the rest |
#
# Whichever you take, the machine around it is the same. A wrong route leads to a specialist who can say "not mine",
# every run ends, and the bill is bounded before the first call.
#
# **Next**: [5. Choosing a pattern](5_patterns.ipynb)
