# %% [markdown]
# # 2. The incident
#
# [A post-mortem](https://thecodeforge.io/ml-ai/agent-orchestration-patterns/) of May 2026 tells of a shop that let a
# model route two million queries a day. Triage handed each to search, inventory or pricing. Then somebody asked for
# "something", and triage handed the query to itself, again and again. The bill went from $200 to $4,200 a day. That is
# the reason why this library exists.
#
# Here we rebuild that system, switch on one guard after another, and count. Then we build it as a machine. Models are
# scripts in most of this notebook, so that every guard meets the same one. No key is needed, and nothing is sent.
# [Notebook 1](1_first_machine.ipynb) says what to install.

# %%
from figures.incident import claims, picture, recorded, table
from figures.incident.desk import HANDOFFS, PROMPTS, QUESTION

print(f"A customer asks: {QUESTION}\n")
for agent in PROMPTS:
    print(f"{agent:10}hands off to {', '.join(HANDOFFS[agent])}")
print(f"\nTriage: {PROMPTS['triage']}")

# %% [markdown]
# ## Do the figures of the story add up?
#
# A request that looped took 12,000 tokens and 8 seconds, says the story. So we let triage hand off to itself until a
# request takes that many tokens:

# %%
_, looping = table.story_rows()
print(table.times_to_itself(), "times to itself")
print(len(looping.bill.calls), "calls", f"{looping.bill.tokens:,} tokens")
print(f"{table.seconds_a_call():.2f} s a call, if that takes 8 s")

# %% [markdown]
# That is plausible. What else does it say? Beside it is what follows from the rebuilt system, at the list price of
# gpt-4o-mini:

# %%
print(claims.as_text())

# %% [markdown]
# Partly, then. Dollars a day, requests, and tokens a request agree with each other, as nearly as they can without the
# prompts, which we do not know. Three figures cannot be. Two million requests a day are not 500,000 tokens: that is a
# quarter of a token for each. And a cent a call would have been $40,000 on a healthy day. Note also that $4,200 is what
# a *day* costs if *every* request loops. Four hours of it are $700.

# %% [markdown]
# ## What the SDK really does
#
# The story names openai-agents. We installed its newest version and one of its first, had it speak with a scripted
# model on this machine over real HTTP, and wrote down what happened. The same for LangGraph. The script is
# `tests/benchmarks/incident_peers.py`; what it saw lies beside the code of this notebook.

# %%
print(recorded.peers_as_text())

# %% [markdown]
# So an agent may hand off to itself everywhere. What ends it in openai-agents is `max_turns`, which was 10 in the first
# releases too: for a request to take 20 calls, somebody must have raised it. LangGraph goes on for 10,007 steps, and
# drops a `goto` to a node that does not exist with no more than a line in the log.
#
# The story says that a handoff discards the history. It does not, unless one configures a filter. These are the input
# tokens of ten turns:

# %%
seen = recorded.peers()["openai-agents 0.24.0"]
print(*seen.did["itself"]["input_tokens"])
print(*seen.did["itself_history_filtered"]["input_tokens"], "with a filter")

# %% [markdown]
# And the fixes that it shows? Some are not there to be used:

# %%
print(seen.did["max_handoff_depth"]["said"])
print("Agent.handoff exists:", seen.did["agent_has_handoff"])
print("Runner.run takes:", *seen.did["run_takes"][2:], sep="\n  ")

# %% [markdown]
# There is no limit on handoffs, and neither a timeout nor a budget of tokens for a run. Whoever wants those writes them
# into a loop of their own, which is what we do now.

# %% [markdown]
# ## One guard at a time
#
# The loop below sends, call by call, exactly as many tokens as openai-agents was recorded to send; a test holds that.
# Its model is the worst there is: triage never decides, and whoever is asked hands back.

# %%
print(table.as_text([*table.story_rows(), *table.guard_rows()]))

# %% [markdown]
# - **Refusing the self-handoff helps nothing here.** Triage and search play ping-pong instead. With a model that is
#   merely confused, it would have been enough: two calls, and an answer.
# - **A timeout and a budget come late.** They look at what is already spent. The budget is overrun by the call that
#   exceeds it.
# - **A limit of 3 handoffs does most of it**, and the circuit breaker that the story adds "after 3 handoffs in a
#   request" is the same guard, told twice.
# - Three of these guards end with an exception. What the customer sees then is up to whoever catches it.
#
# (A breaker *across* requests is another thing: it opens for everybody. It is not measured here.)

# %% [markdown]
# ## The same agents as a machine
#
# `machines/incident.py` has the same four agents. Triage has no handoff to itself, the cycle through a specialist is
# bounded, and everybody has one more handoff, `unclear`, for a query that names no product. What can it cost? That is
# known before any model is called:

# %%
# !fsm-orch check machines.incident --model openai:gpt-4o-mini | sed -n 1,22p

# %% [markdown]
# No run takes more than 4 calls and 2,600 tokens, whatever a model replies. That is $960 for a day on which every
# single request is the worst there can be. Two policies are proved as well:

# %%
from fsm_orch.proof import prove
from machines.incident import FrontDesk

for policy in prove(FrontDesk).policies:
    print(policy.verdict, policy.policy)

# %% [markdown]
# Now the worst model, and one that names triage whatever it is offered. The real adapter for OpenAI sends its requests
# to a script, and tokens are counted by the same rule as above:

# %%
print(table.as_text(table.our_rows()))

# %%
from figures.incident.models import worst
from figures.incident.ours import play

bill, result = play(worst)
print(*result.path, sep="\n")
print(result.context.answer)

# %% [markdown]
# ## The picture

# %%
from IPython.display import SVG

SVG(picture.draw(picture.picture_rows(), table.bound(), picture.ANY))

# %% [markdown]
# ## A real model
#
# Scripts may be too pessimistic. So we asked SmolLM2, a small model that runs on this machine, at temperature 0, and
# held by a grammar to what it is offered. The loop was cut off after 18 calls. It took too long for a notebook, so this
# is a recording, made by `tests/benchmarks/incident_local.py`:

# %%
print(recorded.local_as_text())

# %% [markdown]
# It loops more than the story's model did: not one of the loops came to an end, not even for clear questions. As a
# machine each came to an end within its bound. Mind what that means. The machine *contains* this model, it does not make
# it clever:

# %%
for run in recorded.local().runs:
    if run.setup == "machine":
        print(f"{run.question:32}{run.answer}")

# %% [markdown]
# ## What to take from it
#
# A limit of 3 handoffs does most of the work, and a careful team gets that from an SDK too. In openai-agents 0.24 one
# can set `max_turns` to 4, add a handler that answers when it is reached, and filter the history out of handoffs:

# %%
by_hand = seen.did["itself_by_hand"]
print(by_hand["calls"], "calls, then:", by_hand["ended"])
print(sum(by_hand["input_tokens"]), "tokens of input")

# %% [markdown]
# That is close to the last row of the picture. What a machine adds to it:
#
# - **The bill is known before**, and proved for every reply that a model could give, not measured on some.
# - **There is an answer at the end**, since every run ends in a declared state.
# - **No history is sent again**, unless an agent asks for it, so that a call does not grow more expensive than the one
#   before.
# - **It cannot be forgotten.** A cycle without a bound does not build, and a call that was not paid for is not sent.
#
# What it does not add is good judgement: a legal handoff can still be the wrong one. How well a machine routes is
# measured in notebook 4, what limits do to real conversations that went wrong in notebook 3, and what each pattern
# costs in notebook 5.
