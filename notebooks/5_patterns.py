# %% [markdown]
# # 5. Choosing a pattern
#
# A customer asks a shop one question. Code may look the answer up, or a model by tools; one agent may answer, or several,
# one after the other or at once; one may hand off to another, or use it as a tool. What does each take, and what can it
# take at most?
#
# Here ten machines answer the same question. The real adapter for OpenAI makes each request, and a script replies in
# place of gpt-4o-mini, after 0.44 s of virtual time. Tokens are those of the requests and replies, by the public
# tokenizer, and dollars are by the list price. No key is needed, and nothing is sent.
# [Notebook 1](1_first_machine.ipynb) says what to install.

# %%
from figures.patterns import native, picture, shop, table

print(shop.QUESTION)
for known in shop.CATALOGUE[shop.PRODUCT].values():
    print(" ", known)

# %% [markdown]
# ## The picture

# %%
from IPython.display import SVG

SVG(picture.draw(table.rows(), picture.ANY))

# %% [markdown]
# - **Code that looks up without being asked is the cheapest**, and the fastest. Where you know what is needed, no
#   model has to find it out.
# - **A handoff adds one short call**, in which triage reads the question and the names of its exits. It pays where the
#   agents differ. Where triage picks one of several topics and the customer asked for two, half of the answer is missing.
# - **A tool adds a call, too**, and a longer one: it holds the form of the tools, and the next one holds what was used
#   and what it gave. Three tools, one by one, are the dearest row.
# - **Several in one reply** save most of that, if the model asks for them so, and if none needs what another finds.
# - **In parallel** is twice as fast as in sequence, and costs the same. The slowest branch counts.
# - **Nested costs nothing**: a machine in a state sends what it would send alone. It is there to be proved, and used
#   again, by itself.

# %%
print(table.as_text())

# %% [markdown]
# The last column is proved: no run takes more tokens, whatever a model replies. It is made of calls and their caps, which
# were set as low as this question allows, to the next hundred. Even so it is about twice what was taken: a reply may be as
# long as its cap, and the form of a request counts twice, because how a provider shows it to a model is not published.
#
# ## Are tools cheaper than handoffs?
#
# [The post-mortem](https://thecodeforge.io/ml-ai/agent-orchestration-patterns/) of [notebook 2](2_incident.ipynb) has it
# so. Its tools are agents, which a manager uses and keeps control of. But it depends on what is compared, so here are
# three answers.
#
# **The same agent, by a handoff and as a tool.** The machine in the rows "Nested" and "An agent as a tool" is the same:
# code looks up, one agent answers. By a handoff its answer is the customer's. As a tool it is a result, which the manager
# reads, and says again:

# %%
rows = table.by_machine()
for machine in (shop.InAMachine, shop.AsTool):
    row = rows[machine]
    print(f"{row.name:20}{row.bill.tokens:>5,} tokens in", end="")
    print(f"{len(row.bill.calls):>2} calls, {row.seconds:.2f} s")

# %% [markdown]
# The handoff takes half of the tokens, and one call less. What the tool buys is that the manager may use several, and
# keeps the conversation.
#
# **The same tool, with a handoff before it and without.** The handoff only adds: do not route to an agent if one would
# do.

# %%
for machine in (shop.OneTool, shop.HandoffTool):
    row = rows[machine]
    print(f"{row.name + ', ' + row.note:50}{row.bill.tokens:>5,} tokens")

# %% [markdown]
# **Three look-ups, by tools and by agents.** One by one, three tools take more than twice what three agents in sequence
# take, since a request holds all tools and all that was found before. In one reply they take somewhat more.
#
# So "tools are cheaper" is true of one tool in place of a handoff *and* a tool. It is not true of tools in place of
# handoffs.
#
# ## Native tools
#
# fsm_orch does not use the `tools` of a provider's API. It says tools in the prompt and in the schema of the reply, so
# that each reply is one form, whatever the model. This is the first prompt of "One agent, one tool", and what else stands
# in that request:

# %%
first, last = rows[shop.OneTool].exchanges
print(first.body["input"][0]["content"])
print(sorted(first.body))

# %% [markdown]
# Other libraries send `tools`. So each talk was written anew in that way: the tools as functions, in each request, and
# their uses and results as items of their own. **This is not what fsm_orch sends.** It is counted by the same rule, in
# which a function counts as its JSON. How a provider shows it to the model is not published.

# %%
body = native.native_body(last.body, last.body, ["look_up"])
print(*(item.get("type", item.get("role")) for item in body["input"]))
print(table.native_as_text())

# %% [markdown]
# With one use the two are about the same: our form is longer than a function, but the last request, which may use none,
# is sent without. With three uses, one by one, native tools take a fifth less: our form puts each tool into an object of
# its own, and the prompt names it once more. The three answers are the same, either way.
#
# ## What is not measured
#
# - **Quality.** A script always picks the right tool and the right exit. A model with three tools or three exits may not.
#   [Notebook 4](4_routing.ipynb) measures choices.
# - **The real time of a call.** 0.44 s is assumed for each, as in notebook 2. A longer prompt and a longer answer take
#   longer.
# - **Caches.** A provider may charge less for the beginning of a prompt that it has seen. That helps long talks most, so
#   tools one by one.
# - **Your texts.** Three small tools and one record are little. With long records the rows in which each agent reads all
#   of it, in sequence and in parallel, grow the most; with many tools those with tools do.
#
# ## Which pattern?
#
# | take | where |
# |---|---|
# | code, then one agent | you know what has to be looked up |
# | one agent with tools | what has to be looked up depends on the question, and one prompt can hold all tools |
# | tools in one reply | as above, and no use needs what another gave |
# | a handoff | agents differ: in what they may do, read, or cost |
# | an agent as a tool | one agent must keep the talk, and needs several others for one answer |
# | a sequence | each step needs what the one before wrote, and is worth checking by itself |
# | branches at once | steps do not need each other, and time matters |
# | nested | a part is proved and used by itself |
#
# They mix: a state of a handoff may hold an agent with tools, and a branch may hold a machine. The bill of the whole is
# proved all the same: [branches, machines in machines, humans](how-to/parts.md).
#
# Next: [a machine in production](6_in_production.ipynb), with kills, limits, and an answer on the next day.
