"""The testing kit: adversaries that attack a machine, and assertions of what must hold meanwhile.

    TestSupport = RoutingSafety(Support).TestCase                       # T1 to T6, input by input

    def test_bounded():
        assert_bounded(Support, tokens=10_000, hops=6)                  # proved, no run is made

    def test_refund():
        result = play(Support, Ticket(query="..."), [Turn(Support.triage, Support.to_billing), ...])

    def test_nothing_is_lost():
        assert_resumes(Support)                                         # from every prefix of random journals
        assert_survives_kills(Support, Ticket(query="..."))             # kill -9 at every point of a run

It needs the extra `test`. `fsm_orch.testing.cassette` records and replays the traffic of real SDKs, and
`pytest --fsm MODULE` gives each machine of a module the ready tests of `fsm_orch.testing.ready`.
"""

from .adversaries import ATTACKS, AdversarialModel, Attack
from .agents import AdversarialAgent
from .asserts import assert_bounded, assert_policy
from .called import assert_agents_act
from .clock import virtual_time
from .crash import CrashingStore
from .kept import assert_kept, breaks, search_values
from .kills import Kills, assert_survives_kills
from .play import Turn, play
from .ready import assert_replays
from .resumes import assert_resumes
from .safety import RoutingSafety
from .strategies import contexts, replies, tapes
from .tape import Tape
from .theorem_checker import TheoremChecker
from .whole_runs import runs

__all__ = [
    "ATTACKS",
    "AdversarialAgent",
    "AdversarialModel",
    "Attack",
    "CrashingStore",
    "Kills",
    "RoutingSafety",
    "Tape",
    "TheoremChecker",
    "Turn",
    "assert_agents_act",
    "assert_bounded",
    "assert_kept",
    "assert_policy",
    "assert_replays",
    "assert_resumes",
    "assert_survives_kills",
    "breaks",
    "contexts",
    "play",
    "replies",
    "runs",
    "search_values",
    "tapes",
    "virtual_time",
]
