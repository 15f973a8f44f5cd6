r"""A definition in TLA+, for the model checker TLC.

The machine comes first, as tables. The rules of what is legal and of budgets follow, the same text for every machine.
They are stated once more here and not made from the library's own code, so TLC checks them independently. A step is one
visit. Check the invariants `WithinLimits` and `PoliciesHold` of the specification `Spec`. A run that has ended stays
where it is, so that TLC finds no deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..define.definition import Definition
from .finite import FiniteModel, Fork, Occurrence, Tree, Variable, finite_model
from .names import distinct, label, plain

_RULES = r"""
-----------------------------------------------------------------------------
(* The rules, the same for every machine. *)

VARIABLES
    state, hops, visits,
    settled,    \* tokens charged
    context,
    landed,
    asked,      \* how often the visit has used a tool of which a policy speaks
    seen,       \* what each policy remembers
    broken      \* the policies that were broken

vars == <<state, hops, visits, settled, context, landed, asked, seen, broken>>

\* A handoff into a final state is always affordable. Into any other it needs a visit that is left, a hop besides the
\* last one, which is kept for landing, and the tokens of the first call.
MayEnter(place, spent) ==
    IF place \in Finals THEN TRUE ELSE
        /\ visits[place] < MaxVisits(place)
        /\ hops + 2 <= Hops
        /\ spent + Grant(place) <= Tokens

\* What is legal on entry, while the grant of this visit is reserved. If nothing is, the run lands without a call.
Menu == {e \in Exits(state) : Foreseen(e, state, context) /\ MayEnter(Target(e), settled + Grant(state))}

\* What may have been charged when the visit ends: each call uses nothing, or all that it could reserve, and so does
\* each machine that runs inside it.
Charges == {spent \in {settled + n * Grant(state) + r : n \in 0..Calls(state), r \in Inside(state)} : spent <= Tokens}

\* What may have been charged when the agent fails. Once something ran inside, it has to act again before, and where
\* nothing is legal then the run has been landed; but a visit may time out while it runs.
FailingCharges(e) == {spent \in Charges :
    \/ e \in Interrupts(state)
    \/ spent \in {settled + n * Grant(state) : n \in 0..Calls(state)}
    \/ \E x \in Exits(state) : Foreseen(x, state, context) /\ MayEnter(Target(x), spent)}

\* What a policy remembers of a moment at which its subject (x) and its other (y) occur or not.
Remember(p, x, y, s) ==
    CASE Pattern(p) \in {"absence", "absence_when"} -> s
      [] Pattern(p) = "existence" -> IF x THEN 1 ELSE s
      [] Pattern(p) = "response" -> IF x THEN 0 ELSE IF y THEN 1 ELSE s
      [] Pattern(p) = "bounded_existence" -> IF x THEN s + 1 ELSE s
      [] OTHER -> IF y THEN 1 ELSE s

\* Whether that moment breaks it; s is what it remembers by then.
Breaks(p, x, s) ==
    /\ x
    /\ CASE Pattern(p) = "absence" -> TRUE
         [] Pattern(p) = "precedence" -> s = 0
         [] Pattern(p) = "absence_after" -> s = 1
         [] Pattern(p) = "bounded_existence" -> s > Times(p)
         [] OTHER -> FALSE

\* Whether a hop breaks what must not happen when something holds: both are one moment.
BreaksWhen(p, x, y) == Pattern(p) = "absence_when" /\ x /\ y

\* Whether it still waits for something, which must not be so when a run ends.
IsDue(p, s) == (Pattern(p) = "existence" /\ s = 0) \/ (Pattern(p) = "response" /\ s = 1)

\* A hop has two moments: a handoff is taken, then a place is entered. Landing is not one, but for strict policies.
Judge(handoff, place, c, isLanding) ==
    LET First(p)  == Remember(p, TakesX(p, handoff), TakesY(p, handoff), seen[p])
        IsSeen(p) == Strict(p) \/ ~isLanding
        X(p)      == IsSeen(p) /\ EntersX(p, place, c)
        Second(p) == Remember(p, X(p), IsSeen(p) /\ EntersY(p, place, c), First(p))
    IN  /\ seen' = [p \in Policies |-> Second(p)]
        /\ broken' = broken \union {p \in Policies :
               \/ Breaks(p, TakesX(p, handoff), First(p))
               \/ Breaks(p, X(p), Second(p))
               \/ BreaksWhen(p, TakesX(p, handoff) \/ X(p), IsSeen(p) /\ EntersY(p, place, c))
               \/ place \in Finals /\ IsSeen(p) /\ IsDue(p, Second(p))}

Hop(handoff, place, spent, c, isLanding) ==
    /\ state' = place
    /\ hops' = hops + 1
    /\ visits' = IF place \in States THEN [visits EXCEPT ![place] = @ + 1] ELSE visits
    /\ settled' = spent
    /\ landed' = isLanding
    /\ asked' = 0
    /\ context' \in Sets(place, c)
    /\ Judge(handoff, place, context', isLanding)

\* A tool is used in a visit: a moment of its own, at which no place is entered and no handoff taken.
Use == state \in States /\ Menu # {} /\ asked < Asks(state) /\ \E u \in Uses(state) :
    LET S(p) == Remember(p, UsesX(p, u), UsesY(p, u), seen[p])
    IN  /\ asked' = asked + 1
        /\ seen' = [p \in Policies |-> S(p)]
        /\ broken' = broken \union {p \in Policies :
               \/ Breaks(p, UsesX(p, u), S(p))
               \/ BreaksWhen(p, UsesX(p, u), EntersY(p, state, context))}
        /\ UNCHANGED <<state, hops, visits, settled, context, landed>>

\* Where something must be asked for before a reply, that can be paid, and a tool that must be used was.
MayReply == settled + Least(state) <= Tokens /\ (MustUse(state) => asked > 0)

HandOff == MayReply /\ \E spent \in Charges, e \in Exits(state), c \in Replies(state, context) :
    Holds(e, c) /\ MayEnter(Target(e), spent) /\ Hop(e, Target(e), spent, c, FALSE)

\* A failed visit leaves with the context of its entry.
Fail == \E e \in Failures(state) : \E spent \in FailingCharges(e) :
    MayEnter(Target(e), spent) /\ Hop(e, Target(e), spent, context, FALSE)

Land == \E spent \in Charges : Hop("", Fallback, spent, context, TRUE)

Visit ==
    /\ state \in States
    /\ IF Menu = {} THEN Hop("", Fallback, settled, context, TRUE) ELSE HandOff \/ Fail \/ Land

Ended == state \in Finals /\ UNCHANGED vars

Init ==
    /\ state = Initial
    /\ hops = 0
    /\ visits = [s \in States |-> IF s = Initial THEN 1 ELSE 0]
    /\ settled = 0
    /\ context \in Starts
    /\ landed = FALSE
    /\ asked = 0
    /\ seen = [p \in Policies |-> Remember(p, EntersX(p, state, context), EntersY(p, state, context), 0)]
    /\ broken = {p \in Policies :
           \/ Breaks(p, EntersX(p, state, context), seen[p])
           \/ BreaksWhen(p, EntersX(p, state, context), EntersY(p, state, context))}

Next == Visit \/ Use \/ Ended

Spec == Init /\ [][Next]_vars

WithinLimits ==
    /\ hops <= Hops /\ (state \in States => hops < Hops)
    /\ settled <= Tokens
    /\ \A s \in States : visits[s] <= MaxVisits(s)

PoliciesHold == broken = {}
============================================================================="""


def tla(definition: Definition) -> str:
    """Return a definition as a TLA+ module; the text is the same in every process."""
    return "\n".join(_Writer(finite_model(definition)).text()) + _RULES + "\n"


def module_name(definition: Definition) -> str:
    """Return the name of the module; TLC expects it in a file of that name."""
    return distinct((definition.name,), "Machine_")[0]


class _Writer:
    """The writer of one text; it knows the identifiers of everything in the model."""

    def __init__(self, model: FiniteModel) -> None:
        self.model = model
        self.field = dict(zip(model.variables, distinct((v.name for v in model.variables), "the_"), strict=True))
        self.value = {v: distinct(map(label, v.values)) for v in model.variables}
        self.handoffs = tuple(dict.fromkeys(e.name for p in model.places for e in (*p.exits, *p.failures)))

    def text(self) -> Iterator[str]:
        model = self.model
        yield f"---- MODULE {distinct((model.name,), 'Machine_')[0]} ----"
        yield rf"\* {plain(model.name)}: {plain(model.doc)}"
        yield r"\*"
        yield r"\* Every run of this machine, whatever its agents reply, however they fail, and whenever it is landed."
        yield rf"\* Definition {model.digest}."
        if not model.is_exact:
            yield r"\* Guards that read text or numbers are fields here: they may answer anything."
        yield "EXTENDS Integers"
        yield ""
        yield f"Hops == {model.hops}"
        yield f"Tokens == {model.tokens}"
        yield ""
        yield f"States == {_set(place.name for place in model.places)}"
        yield f"Finals == {_set(model.finals)}"
        yield f"Initial == {_quoted(model.initial)}"
        yield f"Fallback == {_quoted(model.fallback)}"
        yield ""
        yield from self._tables()
        yield from self._contexts()
        yield from self._guards()
        yield from self._policies()

    def _tables(self) -> Iterator[str]:
        places = self.model.places
        yield from _cases("Calls(s)", "s", ((p.name, str(p.calls)) for p in places if p.calls), "0")
        yield from _cases("Grant(s)", "s", ((p.name, str(p.grant)) for p in places if p.grant), "0")
        inside = ((p.name, "{" + ", ".join(map(str, p.spent_inside)) + "}") for p in places if p.may_spend_inside)
        yield from _cases("Inside(s)", "s", inside, "{0}")
        yield from _cases("Least(s)", "s", ((p.name, str(p.least)) for p in places if p.least), "0")
        yield from _cases("Uses(s)", "s", ((p.name, _set(p.uses)) for p in places if p.uses), "{}")
        yield from _cases("Asks(s)", "s", ((p.name, str(p.asks)) for p in places if p.uses), "0")
        yield from _cases("MustUse(s)", "s", ((p.name, "TRUE") for p in places if p.must_use), "FALSE")
        limited = ((p.name, str(p.max_visits)) for p in places if p.max_visits is not None)
        yield from _cases("MaxVisits(s)", "s", limited, "Hops")
        yield ""
        yield from _cases("Exits(s)", "s", ((p.name, _set(e.name for e in p.exits)) for p in places if p.exits), "{}")
        failing = ((p.name, _set(e.name for e in p.failures)) for p in places if p.failures)
        yield from _cases("Failures(s)", "s", failing, "{}")
        late = ((p.name, _set(e.name for e in p.failures if e.is_interrupt)) for p in places if p.failures)
        yield from _cases("Interrupts(s)", "s", late, "{}")
        targets = {e.name: e.target for p in places for e in (*p.exits, *p.failures)}
        yield from _cases("Target(e)", "e", ((name, _quoted(t)) for name, t in targets.items()), "Fallback")
        yield ""

    def _contexts(self) -> Iterator[str]:
        """Yield what the fields of a context can hold; contexts are records, so a reply may change several at once."""
        yield r"\* The fields that guards read, and what opaque guards answer."
        yield f"Starts == {self._records({v: v.starts for v in self.model.variables})}"
        writing = ((p.name, self._changed(dict.fromkeys(p.writes))) for p in self.model.places if p.writes)
        yield from _cases("Replies(s, c)", "s", writing, "{c}")
        ending = ((name, self._changed(dict(sets))) for name, sets in self.model.finals.items() if sets)
        yield from _cases("Sets(s, c)", "s", ending, "{c}")
        yield ""

    def _records(self, values: dict[Variable, tuple[object, ...]]) -> str:
        fields = ", ".join(f"{self.field[v]} : {self._values(v, chosen)}" for v, chosen in values.items())
        return f"[{fields}]" if fields else "{<<>>}"

    def _changed(self, changes: dict[Variable, tuple[object, ...] | None]) -> str:
        """Return the set of contexts that differ from c in some fields.

        Args:
            changes: the values that each of these fields may take; None: all of its values.
        """
        names = {v: f"v{number}" for number, v in enumerate(changes, 1)}
        assigned = ", ".join(f"!.{self.field[v]} = {name}" for v, name in names.items())
        ranges = ", ".join(f"{names[v]} \\in {self._values(v, values or v.values)}" for v, values in changes.items())
        return f"{{[c EXCEPT {assigned}] : {ranges}}}"

    def _values(self, variable: Variable, values: Iterable[object]) -> str:
        return "{" + ", ".join(self._value(variable, variable.number(value)) for value in values) + "}"

    def _value(self, variable: Variable, number: int) -> str:
        return ("FALSE", "TRUE")[number] if variable.is_bool else _quoted(self.value[variable][number])

    def _guards(self) -> Iterator[str]:
        edges = [(place, edge) for place in self.model.places for edge in place.exits]
        holding = {edge.name: self._tree(edge.holds) for _, edge in edges if edge.holds is not True}
        yield from _cases("Holds(e, c)", "e", holding.items(), "TRUE")
        yield r"\* On entry, a guard that reads what the agent is still to write is taken to hold."
        foreseen = [(place, edge) for place, edge in edges if edge.foreseen is not True]
        cases = ((f"e = {_quoted(e.name)} /\\ s = {_quoted(p.name)}", self._tree(e.foreseen)) for p, e in foreseen)
        yield from _definition("Foreseen(e, s, c)", cases, "TRUE")
        yield ""

    def _policies(self) -> Iterator[str]:
        claims = dict(enumerate(self.model.claims, 1))
        yield from (rf"\* {number}: {plain(claim.text)}" for number, claim in claims.items())
        yield f"Policies == 1..{len(claims)}"
        yield from _numbered("Pattern(p)", ((n, f'"{claim.pattern}"') for n, claim in claims.items()), '""')
        yield from _numbered("Times(p)", ((n, str(claim.times)) for n, claim in claims.items() if claim.times), "0")
        yield from _numbered("Strict(p)", ((n, "TRUE") for n, claim in claims.items() if claim.strict), "FALSE")
        for letter, spoken_of in (
            ("X", {n: claim.subject for n, claim in claims.items()}),
            ("Y", {n: claim.other for n, claim in claims.items()}),
        ):
            taken = ((n, f"h \\in {_set(o.handoffs)}") for n, o in spoken_of.items() if o.handoffs)
            yield from _numbered(f"Takes{letter}(p, h)", taken, "FALSE")
            used = ((n, f"u \\in {_set(o.uses)}") for n, o in spoken_of.items() if o.uses)
            yield from _numbered(f"Uses{letter}(p, u)", used, "FALSE")
            entered = ((n, self._entered(o)) for n, o in spoken_of.items() if o.places or o.guards)
            yield from _numbered(f"Enters{letter}(p, place, c)", entered, "FALSE")

    def _entered(self, spoken_of: Occurrence) -> str:
        places = (f"place \\in {_set(spoken_of.places)}",) if spoken_of.places else ()
        return " \\/ ".join((*places, *map(self._tree, spoken_of.guards)))

    def _tree(self, tree: Tree) -> str:
        """Return the formula of a decision tree over the context c."""
        if isinstance(tree, bool):
            return str(tree).upper()
        branches = tuple(self._branches(tree))
        return branches[0] if len(branches) == 1 else "(" + r" \/ ".join(branches) + ")"

    def _branches(self, tree: Fork) -> Iterator[str]:
        for number, branch in enumerate(tree.branches):
            test = f"c.{self.field[tree.variable]} = {self._value(tree.variable, number)}"
            if branch is True:
                yield test
            elif branch is not False:
                yield f"({test} /\\ {self._tree(branch)})"


def _cases(head: str, subject: str, rows: Iterable[tuple[str, str]], otherwise: str) -> Iterator[str]:
    """Yield the definition of an operator by cases of a name, with one value for all other names."""
    return _definition(head, ((f"{subject} = {_quoted(name)}", value) for name, value in rows), otherwise)


def _numbered(head: str, rows: Iterable[tuple[int, str]], otherwise: str) -> Iterator[str]:
    return _definition(head, ((f"p = {number}", value) for number, value in rows), otherwise)


def _definition(head: str, rows: Iterable[tuple[str, str]], otherwise: str) -> Iterator[str]:
    cases = [f"{test} -> {value}" for test, value in rows]
    if not cases:
        yield f"{head} == {otherwise}"
        return
    yield f"{head} =="
    yield f"    CASE {cases[0]}"
    yield from (f"      [] {case}" for case in cases[1:])
    yield f"      [] OTHER -> {otherwise}"


def _set(names: Iterable[str]) -> str:
    return "{" + ", ".join(map(_quoted, names)) + "}"


def _quoted(name: str) -> str:
    return f'"{name}"'
