r"""A definition in Promela, the language of the model checker SPIN: `spin -search -c0 FILE` checks its policies.

The text states the rules of what is legal and of budgets once more, in Promela, and is not made from the library's own
code. So SPIN finds out independently whether the library keeps them. One visit is one atomic step. Each policy has an
assertion, which fails where a run breaks it. One more assertion says that no run passes its limits.

`observe` is a macro that does nothing. Define it before the text to look at each moment of each run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..define.definition import Definition
from .finite import Claim, FiniteEdge, FiniteModel, FiniteState, Fork, Occurrence, Tree, Variable, finite_model
from .names import distinct, label, plain

_RULES = """\
/* A handoff into a state needs the tokens of its first call, and a hop besides the last one, which is for landing. */
#define affords(grant) (hops + 2 <= HOPS && settled + (grant) <= TOKENS)

/* The calls of a visit: each uses nothing, or all that it could reserve. */
inline make_calls(most, grant) {
  calls = 0;
  do
  :: calls < most && settled + (grant) <= TOKENS -> settled = settled + (grant); calls++
  :: break
  od;
  calls = 0
}

inline hand_off(handoff, place) {
  took = handoff; state = place; hops++
}

inline land() {
  state = FALLBACK; landed = true; hops++
}
"""


def promela(definition: Definition) -> str:
    """Return a definition as a Promela text; it is the same in every process."""
    return "\n".join(_Writer(finite_model(definition)).text()) + "\n"


class _Writer:
    """The writer of one text; it knows the identifiers of everything in the model."""

    def __init__(self, model: FiniteModel) -> None:
        self.model = model
        places = (*(place.name for place in model.places), *model.finals)
        handoffs = tuple(dict.fromkeys(e.name for p in model.places for e in (*p.exits, *p.failures)))
        self.at = dict(zip(places, distinct(places, "at_"), strict=True))
        self.visits = dict(zip(places, distinct(places, "visits_of_"), strict=True))
        self.took = dict(zip(handoffs, distinct(handoffs, "took_"), strict=True))
        self.variable = dict(zip(model.variables, distinct((v.name for v in model.variables), "now_"), strict=True))
        listed = [(v, number) for v in model.variables if not v.is_bool for number in range(len(v.values))]
        named = distinct((f"{v.name}_{label(v.values[number])}" for v, number in listed), "is_")
        self.value = dict(zip(listed, named, strict=True))

    def text(self) -> Iterator[str]:
        yield from self._head()
        yield from self._names()
        yield from self._variables()
        yield _RULES
        for number, claim in enumerate(self.model.claims, 1):
            yield from self._policy(number, claim)
        yield from self._look()
        yield from self._process()

    def _head(self) -> Iterator[str]:
        model = self.model
        yield f"/* {plain(model.name)}: {plain(model.doc)}"
        yield " *"
        yield " * Every run of this machine, whatever its agents reply, however they fail, and whenever it is landed."
        yield f" * Definition {model.digest}."
        if not model.is_exact:
            yield " * Guards that read text or numbers are variables here: they may answer anything."
        yield " */"
        yield "#ifndef observe"
        yield "#define observe skip"
        yield "#endif"
        yield f"#define HOPS {model.hops}"
        yield f"#define TOKENS {model.tokens}"
        yield ""

    def _names(self) -> Iterator[str]:
        yield from (f"#define {name} {number}" for number, name in enumerate(self.at.values()))
        yield f"#define FALLBACK {self.at[self.model.fallback]}"
        yield f"#define is_final (state >= {len(self.model.places)})"
        yield ""
        yield "#define took_none 0"
        yield from (f"#define {name} {number}" for number, name in enumerate(self.took.values(), 1))
        yield ""
        yield from (f"#define {name} {number}" for (_, number), name in self.value.items())

    def _variables(self) -> Iterator[str]:
        yield f"short state = {self.at[self.model.initial]};"
        yield "short took;                 /* the handoff that was taken last, while policies look at it */"
        yield "int hops;"
        yield "int settled;                /* tokens charged */"
        yield "int calls;"
        yield "bool landed;"
        if any(place.uses for place in self.model.places):
            yield "short uses;                 /* how often the visit has used a tool of which a policy speaks */"
        if any(place.least for place in self.model.places):
            yield "bool may_reply;            /* whether what must be asked for before a reply can be paid */"
        if any(place.may_spend_inside for place in self.model.places):
            yield "bool is_stuck;             /* whether what ran in a visit left too little for any handoff */"
        yield from (f"int {self.visits[place.name]};" for place in self._counted())
        for variable, name in self.variable.items():
            remark = "a field" if variable.is_field else f"what {plain(variable.name)} answers"
            kind = "bool" if variable.is_bool else "byte"
            yield f"{kind} {name}; {kind} {_written(name)};  /* {remark}, and what a reply writes to it */"
        for number, claim in enumerate(self.model.claims, 1):
            yield f"bool policy_{number} = true; int seen_{number};  /* {plain(claim.text)} */"
        yield ""

    def _counted(self) -> Iterator[FiniteState]:
        return (place for place in self.model.places if place.max_visits is not None)

    def _policy(self, number: int, claim: Claim) -> Iterator[str]:
        """Yield the monitor of a policy, which is told at each moment whether its subject (x) and other (y) occur."""
        seen = f"seen_{number}"
        broken, then = {
            "absence": ("x", "0"),
            "absence_when": ("x && y", "0"),
            "absence_after": (f"x && ({seen} || y)", f"{seen} || y"),
            "precedence": (f"x && !({seen} || y)", f"{seen} || y"),
            "existence": ("", f"{seen} || x"),
            "response": ("", f"({seen} || y) && !x"),
            "bounded_existence": (f"x && {seen} >= {claim.times}", f"{seen} + x"),
        }[claim.pattern]
        yield f"inline moment_{number}(x, y) {{  /* {plain(claim.text)} */"
        if broken:
            yield f"  {_assertion(number, broken)};"
        yield f"  {seen} = {then}"
        yield "}"
        yield ""

    def _look(self) -> Iterator[str]:
        """Yield what is done at the start of a run and after each hop: policies and limits are checked."""
        yield "/* A hop has two moments: a handoff is taken, then a state is entered. */"
        yield "inline look() {"
        yield from self._sets()
        yield "  assert(hops <= HOPS && settled <= TOKENS);"
        for number, claim in enumerate(self.model.claims, 1):
            if claim.pattern == "absence_when":  # the handoff and what it left are one moment
                happens = _either((self._taken(claim.subject), self._entered(claim, claim.subject)))
                yield f"  moment_{number}(({happens}), ({self._entered(claim, claim.other)}));"
                continue
            if claim.subject.handoffs or claim.other.handoffs:
                yield f"  moment_{number}(({self._taken(claim.subject)}), ({self._taken(claim.other)}));"
            yield f"  moment_{number}(({self._entered(claim, claim.subject)}), ({self._entered(claim, claim.other)}));"
            if claim.pattern in ("existence", "response"):
                still_due = f"!seen_{number}" if claim.pattern == "existence" else f"seen_{number}"
                ended = "is_final" if claim.strict else "is_final && !landed"
                yield f"  {_assertion(number, f'{ended} && {still_due}')};"
        yield "  observe;"
        yield "  took = took_none"
        yield "}"
        yield ""

    def _sets(self) -> Iterator[str]:
        for name, sets in self.model.finals.items():
            if sets:
                chosen = "; ".join(self._choice(self.variable[v], v, values) for v, values in sets)
                yield f"  if :: state == {self.at[name]} -> {chosen} :: else fi;"

    def _taken(self, spoken_of: Occurrence) -> str:
        # an edge for a timeout that cannot be is never taken, and has no number
        return _either(f"took == {self.took[name]}" for name in spoken_of.handoffs if name in self.took)

    def _entered(self, claim: Claim, spoken_of: Occurrence) -> str:
        """Return the condition that a place is entered or a guard holds; a landing counts only for strict policies."""
        found = _either(
            (*(f"state == {self.at[name]}" for name in spoken_of.places), *map(self._holds, spoken_of.guards))
        )
        return found if claim.strict or found == "false" else _all("!landed", found)

    # --- runs ---

    def _process(self) -> Iterator[str]:
        yield "active proctype machine() {"
        yield from (f"  {self._choice(name, v, v.starts)};" for v, name in self.variable.items())
        yield "  do"
        yield "  :: atomic {"
        yield "       look();"
        yield "       if"
        for place in self.model.places:
            yield from (f"       {line}" for line in self._place(place))
        yield "       :: is_final -> break"
        yield "       fi"
        yield "     }"
        yield "  od"
        yield "}"

    def _place(self, place: FiniteState) -> Iterator[str]:
        calls = f"{place.calls} calls of {place.grant} tokens" if place.calls else "no calls"
        yield f":: state == {self.at[place.name]} ->  /* {plain(place.agent)}: {calls} */"
        if place.max_visits is not None:
            yield f"   {self.visits[place.name]}++;"
        yield "   if"
        yield "   :: " + _either(self._open(place, edge) for edge in place.exits) + " ->"
        if place.least:
            yield f"      may_reply = settled + {place.least} <= TOKENS;"
        if place.calls:
            yield f"      make_calls({place.calls}, {place.grant});"
        yield from self._runs(place)
        yield from self._uses(place)
        yield "      if"
        yield from self._reply(place)
        for edge in place.failures:
            # else the agent has to act again first, and where nothing is legal then, the run has been landed
            may_fail = "!is_stuck" if place.may_spend_inside and not edge.is_interrupt else "true"
            yield f"      :: {_all(self._legal(edge, 0), may_fail)} ->  /* on {edge.kind} */"
            yield f"         {self._hand_off(place, edge)}"
        # Possible in every visit: the run may be cancelled or reach its deadline, and the model has no clock.
        yield "      :: land()"
        yield "      fi"
        yield "   :: else -> land()  /* nothing is legal on entry: no call is made */"
        # Reset, or SPIN would tell states apart by what was written last, which nothing reads any more.
        reset = [*(_written(self.variable[v]) for v in place.writes), *(["may_reply"] if place.least else [])]
        reset += ["uses"] if place.uses else []
        reset += ["is_stuck"] if place.may_spend_inside else []
        yield "   fi" + "".join(f"; {name} = 0" for name in reset)

    def _runs(self, place: FiniteState) -> Iterator[str]:
        """Yield what machines inside the visit are charged: nothing, or the shares of some of their runs."""
        if not place.may_spend_inside:
            return
        yield "      if  /* machines that run inside */"
        yield "      :: true -> skip"
        could_go_on = _either(_all(self._holds(edge.foreseen), self._legal(edge, 0)) for edge in place.exits)
        for spent in place.spent_inside[1:]:
            yield f"      :: settled + {spent} <= TOKENS -> settled = settled + {spent}; is_stuck = !({could_go_on})"
        yield "      fi;"

    def _uses(self, place: FiniteState) -> Iterator[str]:
        """Yield the uses of tools before a reply, each of which is a moment of its own."""
        if not place.uses:
            return
        yield "      do  /* tools */"
        for use in place.uses:
            yield f"      :: uses < {place.asks} -> uses++;  /* {plain(use)} */"
            yield from (f"         {told};" for told in self._used(use))
            yield "         skip"
        yield "      :: break"
        yield "      od;"

    def _used(self, use: str) -> Iterator[str]:
        """Yield what policies are told of the use of a tool."""
        for number, claim in enumerate(self.model.claims, 1):
            happens, other = use in claim.subject.uses, use in claim.other.uses
            if claim.pattern == "absence_when":
                if happens:
                    yield f"moment_{number}(true, ({self._entered(claim, claim.other)}))"
            elif happens or other:
                yield f"moment_{number}({str(happens).lower()}, {str(other).lower()})"

    def _reply(self, place: FiniteState) -> Iterator[str]:
        """Yield a reply: it chooses what it writes, and then one of the handoffs that are legal."""
        may_use = "uses > 0" if place.must_use and place.uses else "false" if place.must_use else "true"
        yield f"      :: {_all('may_reply' if place.least else 'true', may_use)} ->"
        yield from (f"         {self._choice(_written(self.variable[v]), v, v.values)};" for v in place.writes)
        yield "         if"
        for edge in place.exits:
            guard = f"  /* {plain(edge.guard)} */" if edge.guard else ""
            yield f"         :: {_all(self._holds(edge.holds, place.writes), self._legal(edge, 0))} ->{guard}"
            yield from (f"            {self.variable[v]} = {_written(self.variable[v])};" for v in place.writes)
            yield f"            {self._hand_off(place, edge)}"
        yield "         :: else -> land()"
        yield "         fi"

    def _hand_off(self, place: FiniteState, edge: FiniteEdge) -> str:
        told = f'printf("{self._name(place.name)} -{self._name(edge.name)}-> {self._name(edge.target)}\\n")'
        return f"hand_off({self.took[edge.name]}, {self.at[edge.target]}); {told}"

    def _name(self, name: str) -> str:
        return plain(name).replace("%", "%%").replace('"', "'").replace("\\", "/")

    def _open(self, place: FiniteState, edge: FiniteEdge) -> str:
        """Return the condition that a handoff is on the menu on entry, while the grant of this visit is reserved."""
        return _all(self._holds(edge.foreseen), self._legal(edge, place.grant))

    def _legal(self, edge: FiniteEdge, held: int) -> str:
        """Return the condition that the target of a handoff can be entered while so many tokens are reserved."""
        target = next((place for place in self.model.places if place.name == edge.target), None)
        if target is None:
            return "true"
        limit = target.max_visits
        visit = "true" if limit is None else f"{self.visits[target.name]} < {limit}"
        return _all(visit, f"affords({held + target.grant})")

    def _choice(self, name: str, variable: Variable, values: tuple[object, ...]) -> str:
        options = (self._value(variable, variable.number(value)) for value in values)
        return "if " + " ".join(f":: {name} = {option}" for option in options) + " fi"

    def _value(self, variable: Variable, number: int) -> str:
        return ("false", "true")[number] if variable.is_bool else self.value[variable, number]

    def _holds(self, tree: Tree, written: tuple[Variable, ...] = ()) -> str:
        """Return the condition of a decision tree; variables that a reply writes are read as it writes them."""
        if isinstance(tree, bool):
            return str(tree).lower()
        name = self.variable[tree.variable]
        name = _written(name) if tree.variable in written else name
        return _either(self._branches(tree, name, written))

    def _branches(self, tree: Fork, name: str, written: tuple[Variable, ...]) -> Iterator[str]:
        for number, branch in enumerate(tree.branches):
            test = f"{name} == {self._value(tree.variable, number)}"
            if tree.variable.is_bool:
                test = name if number else f"!{name}"
            if branch is True:
                yield test
            elif branch is not False:
                yield f"{test} && {self._holds(branch, written)}"


def _assertion(number: int, broken: str) -> str:
    """Return an assertion that a policy is kept; SPIN names the policy's variable if it fails."""
    return f"policy_{number} = !({broken}); assert(policy_{number}); policy_{number} = true"


def _all(*parts: str) -> str:
    """Join conditions with "and"; without any, the result is true."""
    return " && ".join(part for part in parts if part != "true") or "true"


def _written(name: str) -> str:
    return f"new_{name}"


def _either(parts: Iterable[str]) -> str:
    """Join conditions with "or"; without any, the result is false."""
    either = tuple(parts)
    return f"({' || '.join(either)})" if len(either) > 1 else either[0] if either else "false"
