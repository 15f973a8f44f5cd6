"""Examples agents: route a text to where the examples lie that are most like it, without a model."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, NamedTuple

from ..define.agent_spec import AgentSpec
from ..define.context import FieldRef, field_refs
from ..define.source import phrases, where_called
from ..define.states import Final, State
from ..define.wording import kind_of
from ..models import registry
from ..models.embed import Embedder, Vector, unit
from .base import PlainAgent, Reply, Visit
from .centroids import Centroids, cosine, digest_of
from .thread import in_thread
from .words import is_blank

Target = State | Final
Examples = str | Iterable[str] | Mapping[str, str | Iterable[str]] | Centroids
"""Texts that mean a target: one group of them, several groups by their names, or the stored centroids of groups."""


class Nearest(NamedTuple):
    """Where a text would be routed, if the threshold let it."""

    target: Target
    """The target of the nearest centroid; `otherwise` if those of two targets are as near, or the text is blank."""
    score: float
    """The cosine of the angle between the text and that centroid, from -1 to 1; 0 for a blank text."""


class _Space(NamedTuple):
    """A loaded embedder, and the centroids of each target among its vectors."""

    embedder: Embedder
    learned: Mapping[Target, tuple[Vector, ...]]


class ExamplesAgent(PlainAgent):
    """An agent that hands off to the state whose examples a text is most like; to another if it is like none of them.

        ExamplesAgent(
            Ticket.query, {refund: ("my money back", "it arrived broken"), hours: "when do you open?"},
            otherwise=human, threshold=0.4,
        )

    The examples of each group are embedded, and their mean is the group's centroid. A text goes to the target with the
    nearest centroid by cosine, if that is at least the threshold. What embeds runs on this machine, in a thread, makes
    no calls and costs no tokens. A proof takes every target as possible, as for words.

    Args:
        field: the text to look at, such as `Ticket.query`.
        examples: for each state, texts that mean it: one group or, where it is about several things, groups by name
            (`{refund: {"broken": (...), "late": (...)}}`), each with a centroid of its own. Or stored `Centroids`.
        otherwise: where to go when the nearest centroid is further than the threshold, or two are equally near.
        threshold: the least cosine that is taken for an answer, from 0, which takes nearly everything, to 1. Tune it on
            queries that are no examples: `fsm_orch.evaluate.thresholds`, or `fsm-orch eval --plot`.
        embedder: its name, or one of your own; "minilm" needs the extra `embed` and `fsm-orch model get minilm`.

    Each state named must be reached by exactly one handoff (FSM121). The digest of the machine covers the examples or
    centroids, the threshold and the embedder's name.

    Raises ValueError: if a state has no examples, or one is blank; if the threshold is not from 0 to 1; or if another
        embedder made the centroids.
    Raises TypeError: if something else than a state or final state is named, such as a string.
    """

    def __init__(
        self,
        field: object,
        examples: Mapping[Target, Examples],
        *,
        otherwise: Target,
        threshold: float,
        embedder: Embedder | str = "minilm",
    ) -> None:
        (self._field,) = field_refs((field,))
        _check_targets(examples, otherwise)
        self.threshold = _checked_threshold(threshold)
        self.otherwise = otherwise
        self._embedder = embedder
        self._name = embedder if isinstance(embedder, str) else embedder.name
        self._examples = {target: _groups(target, given, self._name) for target, given in examples.items()}
        self._digests = [_digest(groups) for groups in self._examples.values()]  # here: a spec is asked for in each run
        self._prepared: _Space | None = None
        self._where = where_called()

    @property
    def field(self) -> FieldRef:
        """The text that it looks at."""
        return self._field

    @property
    def targets(self) -> tuple[Target, ...]:
        """The states that it has examples of."""
        return tuple(self._examples)

    @property
    def spec(self) -> AgentSpec:
        """What a definition needs to know of the agent."""
        return AgentSpec(
            kind="examples",
            name="ExamplesAgent",
            reads=(self._field,),
            routes=(*self._examples, self.otherwise),
            canonical={
                "examples": self._digests,
                "embedder": self._name,
                "threshold": self.threshold,
            },
            where=self._where,
        )

    def __repr__(self) -> str:
        groups = sum(len(held.groups if isinstance(held, Centroids) else held) for held in self._examples.values())
        return (
            f"ExamplesAgent({self._field.name}, {groups} centroids of {len(self._examples)} targets, sha256 "
            f"{digest_of(self._digests)[:12]}, threshold={self.threshold}, embedder={self._name!r})"
        )

    def prepare(self) -> None:
        """Load the embedder, and embed the examples; blocks meanwhile. Nothing is left to do the second time.

        Raises ModelUnavailable: if the embedder's weights or a package are missing; says what to do.
        Raises ValueError: if the embedder does not make a vector of each text, all of one length.
        """
        self._space()

    def _space(self) -> _Space:
        if self._prepared is None:  # two threads may prepare it at once: what both make is the same
            embedder = registry.embedder(self._embedder) if isinstance(self._embedder, str) else self._embedder
            embedder.embed(("",))  # loads it, where all centroids are stored
            learned = {target: _learned(held, embedder) for target, held in self._examples.items()}
            self._prepared = _Space(embedder, learned)
        return self._prepared

    def nearest(self, text: str) -> Nearest:
        """Return the target whose centroid is nearest to a text, and how near it is; blocks while it embeds.

        Raises ModelUnavailable: as `prepare`.
        Raises ValueError: if the embedder makes a vector that cannot be compared with the centroids.
        """
        if is_blank(text):
            return Nearest(self.otherwise, 0.0)
        space = self._space()
        (made,) = space.embedder.embed((text,))
        vector = unit(made)
        scores = {target: max(cosine(vector, centroid) for centroid in held) for target, held in space.learned.items()}
        score = max(scores.values())
        best = [target for target, found in scores.items() if found == score]
        return Nearest(best[0] if len(best) == 1 else self.otherwise, score)

    def begin(self, visit: Visit[Any, Any]) -> Awaitable[Reply]:
        """Return the handoff to the nearest target, or to `otherwise`, once the text is embedded in a thread."""
        value = getattr(visit.context, self._field.name)
        return self._routed(visit, "" if value is None else str(value))

    async def _routed(self, visit: Visit[Any, Any], text: str) -> Reply:
        # in a thread: loading takes half a second, and an embedder of the user's own may take as long for a text
        target, score = await in_thread(self.nearest, text)
        return Reply(handoff=visit.handoff_to(target if score >= self.threshold else self.otherwise).name)


def _learned(held: Centroids | Mapping[str, tuple[str, ...]], embedder: Embedder) -> tuple[Vector, ...]:
    centroids = held if isinstance(held, Centroids) else Centroids.of(held, embedder)
    return tuple(centroids.groups.values())


def _groups(target: Target, given: Examples, embedder: str) -> Centroids | dict[str, tuple[str, ...]]:
    if isinstance(given, Centroids):
        if given.embedder != embedder:
            raise ValueError(
                f"the centroids of {target!r} were made by {given.embedder!r}, and {embedder!r} is to be compared with "
                "them: give the same embedder, or make them anew with Centroids.of(...)"
            )
        if not given.groups:
            raise ValueError(f"the centroids of {target!r} are none: give at least one")
        return given
    groups = {name: phrases(texts) for name, texts in (given if isinstance(given, Mapping) else {"": given}).items()}
    if not groups or not all(texts and not any(map(_is_no_example, texts)) for texts in groups.values()):
        raise ValueError(
            f"the examples of {target!r} are {groups!r}: give at least one a group, each a text, none blank"
        )
    return groups


def _is_no_example(text: object) -> bool:
    return not isinstance(text, str) or is_blank(text)


def _digest(groups: Centroids | Mapping[str, tuple[str, ...]]) -> str:
    """Return a digest of all that decides where the centroids lie: neither names of groups nor orders do."""
    return groups.digest if isinstance(groups, Centroids) else digest_of(sorted(map(sorted, groups.values())))


def _checked_threshold(threshold: object) -> float:
    if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ValueError(f"a threshold is a cosine from 0 to 1, not {threshold!r}; 0.4 is a good one to begin with")
    return float(threshold)


def _check_targets(examples: object, otherwise: object) -> None:
    if not isinstance(examples, Mapping):
        raise TypeError(
            f"an examples agent takes examples by state, not {kind_of(examples)}: {{refund: ('my money',)}}"
        )
    if not examples:
        raise ValueError("an examples agent has no examples: give those of at least one state")
    for target in (*examples, otherwise):
        if not isinstance(target, Target):
            raise TypeError(
                f"an examples agent names states and final states, not {target!r}: give the attribute itself"
            )
