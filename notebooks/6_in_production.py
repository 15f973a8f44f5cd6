# %% [markdown]
# # 6. In production
#
# Processes are killed, providers have limits, colleagues answer tomorrow, and next week there is a new version. You
# do each of these things to one small machine here, and look at what is kept, what is charged, and what is not done
# twice.
#
# Nothing is asked of a real provider: a script stands in for it, so there is no key and no bill. All else is real:
# the database, the processes and the signal that kills them. [Notebook 1](1_first_machine.ipynb) says what to
# install, and what a machine is.
#
# ## A machine that waits for a colleague
#
# A customer writes. A model decides whether they want money back, code finds the order, a colleague agrees, and code
# pays. If the model cannot be asked, since its provider is down or busy, the order is looked up all the same, and the
# colleague reads the claim: that is `away`. The question may wait for three days, which is what `expires_s` says.

# %%
# %%writefile refunds.py
"""Pay back what a colleague agrees to."""

from fsm_orch import (
    Context, Final, HumanAgent, LLMAgent, Machine, State, Visit,
)
from world import happened, hang_in


class Claim(Context):
    text: str
    order: int | None = None
    answer: str | None = None


def find_order(visit: Visit[Claim]):
    happened("looked an order up")
    return {Claim.order: 1041}


def pay_back(visit: Visit[Claim]):
    happened(f"paid order {visit.context.order} back")
    hang_in("pay")
    return {Claim.answer: "The money is on its way."}


class Refunds(Machine[Claim]):
    """Pay back what a colleague agrees to."""

    triage = State(
        LLMAgent("What is wanted?", reads=Claim.text), initial=True
    )
    find = State(find_order, writes=Claim.order, repeatable=True)
    approve = State(
        HumanAgent("Pay this back?", reads=(Claim.text, Claim.order)),
        expires_s=3 * 86_400,
    )
    pay = State(pay_back, reads=Claim.order, writes=Claim.answer)
    paid = Final()
    declined = Final(sets={Claim.answer: "We cannot pay this back."})
    colleague = Final(
        fallback=True, sets={Claim.answer: "A colleague will call you."}
    )

    wants_money = triage.to(find, "the customer wants money back")
    wants_else = triage.to(colleague, "anything else")
    away = triage.on_failure(find)
    found = find.to(approve)
    yes = approve.to(pay, "pay")
    no = approve.to(declined, "do not pay")
    late = approve.on_timeout(colleague)
    done = pay.to(paid)

# %% [markdown]
# What a run stores is one thing, and what has happened in the world is another. So the world keeps a diary of its
# own, and we compare the two. `hang_in` makes a process stop in the middle of something, where we can kill it.

# %%
# %%writefile world.py
"""What is outside of the machine: a diary, and a provider."""

import os
import time
from pathlib import Path

from fsm_orch import ScriptedModel
from fsm_orch.errors import CallFailed


def happened(what):
    with open("diary.txt", "a") as lines:
        lines.write(f"{what}\n")


def happened_once(what, key):
    """Do it, unless it was done under this key before."""
    if key not in Path("diary.txt").read_text():
        happened(f"{what} ({key})")


def hang_in(place):
    if os.environ.get("HANG_IN") == place:
        print(f"now in {place}", flush=True)
        time.sleep(60)


is_down = False


def reply(request):
    happened("asked the provider")
    hang_in("triage")
    if is_down:  # no connection was made, so nothing is billed
        return CallFailed("connection", unsent=True)
    return {"handoff": "wants_money"}


provider = ScriptedModel([reply] * 1_000, delay_s=0.4)

# %% [markdown]
# ## A store
#
# A run lives in the memory of its process, unless its runner has a *store*. A file does for one computer; several
# share a PostgreSQL. Each step is stored before anything leaves the process.
#
# A process holds the run that it drives by a *lease*, and renews that while it lives. Here, a lease ends one second
# after its process; by default it is 15.

# %%
# %%writefile drive.py
"""Begin a run, answer it, or go on: drive.py begin|answer|go_on RUN"""

import asyncio
import sys

from fsm_orch import Runner
from fsm_orch.errors import LeaseHeld
from fsm_orch.store.sql import SqlStore
from refunds import Claim, Refunds
from world import provider

CLAIM = Claim(text="Order 1041 arrived broken.")
YES = {"handoff": "yes"}


def runner(**options):
    store = SqlStore("sqlite:///runs.db", lease_s=1)
    return Runner(Refunds, model=provider, store=store, **options)


async def begin(run_id):
    return await runner().run(CLAIM, run_id=run_id)


async def answer(run_id):
    return await runner().resume(run_id, YES)


async def go_on(run_id):
    while True:
        try:
            return await runner().resume(run_id)
        except LeaseHeld:  # of a process that is dead, or not
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    what, run_id = sys.argv[1:]
    does = {"begin": begin, "answer": answer, "go_on": go_on}
    result = asyncio.run(does[what](run_id))
    print(result.state.name, "-", result.context.answer)

# %% [markdown]
# ## `kill -9`, while a model is asked
#
# A process begins a run. As soon as it says that the provider is being asked, it gets the signal that no process can
# catch.

# %%
import os
import subprocess
import sys
from pathlib import Path


def kill(place, *words):
    """Drive a run in a process of its own, and kill it in a place."""
    process = subprocess.Popen(
        [sys.executable, "drive.py", *words],
        env={**os.environ, "HANG_IN": place},
        stdout=subprocess.PIPE,
        text=True,
    )
    print(process.stdout.readline().strip())
    process.kill()
    print("ended with", process.wait())
    process.stdout.close()


kill("triage", "begin", "r1")

# %% [markdown]
# Its run is in the file. Here, this notebook goes on with it, as soon as the lease of the dead process has ended.

# %%
from drive import answer, go_on, runner

result = await go_on("r1")
print(result.status, "in", result.state.name)
# !cat diary.txt

# %% [markdown]
# The provider was asked twice. Nobody knows whether the first request was answered, and what was answered is billed.
# So that call is charged as much as it may have used:

# %%
from fsm_orch.kernel.inputs import CallReserved, CallSettled

for event in result.journal:
    match event:
        case CallReserved():
            most = event.input_tokens + event.output_tokens
            print("call", event.call, "may use", most, "tokens")
        case CallSettled():
            used = event.usage and event.usage.total_tokens
            print("call", event.call, "has used", used or "nobody knows")
print(result.charged_tokens, "tokens charged")

# %% [markdown]
# ## `kill -9`, while it pays
#
# The next process answers yes, and is killed after the money has left and before that is stored.

# %%
kill("pay", "answer", "r1")
result = await go_on("r1")
print(result.state.name, "-", result.context.answer)
print(result.landing.reason, "-", result.landing.detail)
# !cat diary.txt

# %% [markdown]
# Nothing was done twice. The model was not asked again, and the order was not looked up again: both were stored. And it
# was not paid again. Nobody knows whether `pay` did its work, so the run *landed* in its fallback: the customer has an
# answer, and a colleague asks the bank.
#
# This is not "exactly once", which nobody can promise. Code that was cut off is not called again. If its state says
# `repeatable=True`, as `find` does, it is. We come back to that in the new version.
#
# ## A provider at its limit
#
# Thirty customers write at once, and the provider allows a request a second, and five at once after a pause. A `Gate`
# stands before `triage`: that pace, eight places, and a line of six for those who wait. Its *breaker* is for a
# provider that is down. A gate is given to the runner, so the machine, and all that is proved of it, stay as they are.
#
# This program runs on *virtual time*, in which minutes pass at once, and keeps its runs in memory.

# %%
# %%writefile rush.py
"""Thirty claims at once, and then a provider that is down."""

import asyncio
from collections import Counter

import world
from drive import CLAIM
from fsm_orch import Runner
from fsm_orch.observe.prometheus import Metrics
from fsm_orch.resilience import Breaker, Gate, Pace
from fsm_orch.testing import virtual_time
from refunds import Refunds

gate = Gate(
    pace=Pace(60, per_s=60, burst=5),
    at_once=8,
    queue=6,
    breaker=Breaker(failures=3, window_s=60, open_s=300),
)
metrics = Metrics()
runner = Runner(
    Refunds,
    model=world.provider,
    gates={Refunds.triage: gate},
    observers=[metrics.of(Refunds)],
)


def asked():
    return len(world.provider.requests)


async def at_once():
    came = await asyncio.gather(*(runner.run(CLAIM) for _ in range(30)))
    ways = Counter(run.path[0].handoff for run in came)
    print(dict(ways), "-", asked(), "requests")
    waits = [run.seconds for run in came if run.path[0].handoff == "away"]
    print(f"who took away had waited {max(waits):.1f} s at most")


async def one_by_one():
    for number in range(8):
        if number == 6:
            world.is_down = False
            await asyncio.sleep(300)
        result = await runner.run(CLAIM)
        print(result.path[0].handoff, end=" - ")
        print(result.charged_tokens, "tokens,", asked(), "requests")


with virtual_time() as loop:
    loop.run(at_once())
    world.is_down = True
    loop.run(asyncio.sleep(60))
    loop.run(one_by_one())
    text = loop.run(metrics.exposed())

with open("metrics.txt", "wb") as page:
    page.write(text)

# %%
# !python rush.py 2> rush.log

# %% [markdown]
# * **Too many at once.** Fourteen claims had their turn within the ten seconds that a visit has by default: five at
#   once, and nine after them. There was no place in the line for the other sixteen. They were not kept waiting, and
#   took `away`.
# * **Down.** Three failures opened the breaker. The next three runs took the same way without a request. Nothing was
#   charged, since no connection was made.
# * **Up again.** Five minutes later one run tried it, and the breaker closed.
#
# No run failed, and each waits for a colleague. Had we not declared `away`, these would have landed, with the default
# answer.
#
# ## What `/metrics` says
#
# `Metrics` counted all that, for Prometheus. `fsm-orch serve` gives it out at `/metrics`; in an application of your
# own, `metrics` is what answers there. These are the counts that are not 0:

# %%
# !grep "^agent_.*_total{" metrics.txt | grep -v " 0.0" \
#     | sed 's/machine="Refunds",//; s/,machine="Refunds"//'

# %% [markdown]
# It is the same story: the gate has `denied` 19 attempts, 16 of them because of load and 3 by the breaker. Three
# requests failed, and were `released`: nothing was charged for them. `fsm-orch ops export` writes alerts on these
# metrics, and a dashboard.
#
# ## The answer comes the next day
#
# A question expires by the clock on the wall. A runner can be given another one, so that we need not wait. On Monday
# at nine, three runs begin, and ask:

# %%
from datetime import UTC, datetime, timedelta

from drive import CLAIM, YES

MONDAY = datetime(2026, 11, 30, 9, tzinfo=UTC)


def on(day):
    now = MONDAY + timedelta(days=day)
    return runner(wall_clock=now.timestamp)


for run_id in "r2", "r3", "r4":
    await on(0).run(CLAIM, run_id=run_id)

result = await on(0).resume("r2")
(question,) = result.waiting
print(question.text, question.shown)
print("until", datetime.fromtimestamp(question.expires_at, UTC))

# %% [markdown]
# Nothing has to stay alive meanwhile: a waiting run is a row in the store. On Tuesday a colleague says yes:

# %%
result = await on(1).resume("r2", YES)
print(result.state.name, "-", result.context.answer)

# %% [markdown]
# The deadline of a run is 60 s here, and a day has passed. Only the time in which somebody drives it counts.
#
# Another colleague has had the same question open, and says no. Of two answers the first one counts:

# %%
from fsm_orch.errors import AnswerError

NO = {"handoff": "no"}
try:
    await on(1).resume("r2", NO)
except AnswerError as error:
    print(error)

# %% [markdown]
# Nobody answered `r3`. On Friday it is too late, and `late` leads to a colleague. `expire` says so by hand; a worker
# does it by itself.

# %%
try:
    await on(4).resume("r3", YES)
except AnswerError as error:
    print(error)
result = await on(4).expire("r3")
print(result.state.name, "-", result.context.answer)
# !grep "^paid" diary.txt

# %% [markdown]
# Two payments: that of `r1`, which was cut off, and that of `r2`. The third run, `r4`, still waits.
#
# ## A new version
#
# Meanwhile you deploy. A run is bound to the version of the machine that it began on, and `r4` began on the old one.
# That one is committed:

# %%
DAY = "2026-11-30T12:00:00Z"
os.environ |= {  # who commits, and when
    "GIT_CONFIG_GLOBAL": os.devnull,
    **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "me"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "me@x"),
    **dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), DAY),
}
# !git init -q -b main && git add *.py && git commit -q -m "Refunds"

# %% [markdown]
# In the new version the bank is given `visit.key`, which stays the same however often `pay` is called, and pays once
# under one key. So `pay` may be repeated. And `approve` is called `decide` now.

# %%
changed = Path("refunds.py").read_text()
for old, new in (
    ("approve", "decide"),
    ("import happened,", "import happened, happened_once,"),
    ('happened(f"paid', 'happened_once(f"paid'),
    ('order} back")', 'order} back", visit.key)'),
    ("writes=Claim.answer)", "writes=Claim.answer, repeatable=True)"),
):
    changed = changed.replace(old, new)
Path("refunds.py").write_text(changed)
# !git diff -U0 refunds.py | grep "^[-+] "

# %% [markdown]
# What becomes of the runs that wait? Ask before you merge. `main` is the old version, and `refunds` is the new one,
# as it lies in the folder:

# %%
# !fsm-orch migrate main refunds

# %% [markdown]
# It has looked at every place in which a run can be. A run that waits in `approve` would be *stranded*: there is no
# such state any more. It is one state under another name, which only you know, so say it:

# %%
# !fsm-orch migrate main refunds --rename approve=decide

# %% [markdown]
# Now one place is left. A run that was cut off while it paid may have paid, without a key, and the new version would
# pay again. So such a run is not moved, and needs a worker of the old version. All others go on.
#
# That is what could be. With `--store` it is asked what is, and `--apply` moves the runs that can go on:

# %%
# !fsm-orch migrate main refunds --rename approve=decide \
#     --store sqlite:///runs.db --apply

# %% [markdown]
# This notebook still has the old version in its memory, as an old worker would. It is refused:

# %%
from fsm_orch.errors import StepError

try:
    await answer("r4")
except StepError as error:
    print(str(error).rpartition(": ")[2])

# %% [markdown]
# A process of the new version answers, and is killed while it pays. Another one goes on.

# %%
kill("pay", "answer", "r4")
# !python drive.py go_on r4
# !grep "^paid" diary.txt

# %% [markdown]
# `pay` was called twice, and the bank has paid once: the last line, under its key. The customer got the money, and
# nobody had to ask the bank.
#
# ## What to remember
#
# | what happens | what becomes of the run |
# |---|---|
# | its process is killed while a model is asked | goes on; the lost call is charged in full |
# | its process is killed while code works | `repeatable` code is called again, with the same key; other code is not |
# | the provider is at its limit, or down | takes the way that you declared, else lands; at once, and for nothing |
# | a colleague answers tomorrow | goes on; only time in which it is driven counts |
# | nobody answers | takes `on_timeout`, else lands |
# | the machine changes | goes on where that is safe, and stays with the old version where not |
#
# More of each: [a crash](how-to/durable.md), [gates](how-to/gates.md), [metrics](how-to/metrics.md),
# [workers](how-to/workers.md), [changes](how-to/changes.md). And what no machine can promise: [how teams of agents
# fail](explanation/failure-modes.md).
