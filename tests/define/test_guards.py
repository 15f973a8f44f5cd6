"""Guards: composed predicates and what counts as an answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, all_of, any_of, guard, never, not_
from fsm_orch.define import Guard
from fsm_orch.define.guards import as_bool, as_written, both, negated


class Flags(Context):
    a: bool = False
    b: bool = False
    c: bool = False


class Others(Context):
    a: bool = False


@guard
def is_a(f: Flags) -> bool:
    return f.a


@guard
def is_b(f: Flags) -> bool:
    return f.b


@guard
def is_c(f: Flags) -> bool:
    return f.c


@guard
def breaks(f: Flags) -> bool:
    raise RuntimeError("broken")


@guard
def says_yes(f: Flags) -> bool:
    return "yes"  # type: ignore[return-value]


@guard
def of_others(o: Others) -> bool:
    return o.a


ATOMS: dict[str, Guard[Flags]] = {"a": is_a, "b": is_b, "c": is_c}
trees = st.recursive(
    st.sampled_from(list(ATOMS)),
    lambda inner: st.tuples(st.sampled_from(["&", "|"]), inner, inner) | st.tuples(st.just("~"), inner),
    max_leaves=6,
)


def build(tree: Any) -> Guard[Flags]:
    match tree:
        case str():
            return ATOMS[tree]
        case ("~", inner):
            return ~build(inner)
        case ("&", one, other):
            return build(one) & build(other)
        case (_, one, other):
            return build(one) | build(other)


def truth(tree: Any, flags: Flags) -> bool:
    match tree:
        case str():
            return bool(getattr(flags, tree))
        case ("~", inner):
            return not truth(inner, flags)
        case ("&", one, other):
            return truth(one, flags) and truth(other, flags)
        case (_, one, other):
            return truth(one, flags) or truth(other, flags)


@given(trees, st.booleans(), st.booleans(), st.booleans())
def test_composition_is_boolean_algebra(tree: Any, a: bool, b: bool, c: bool) -> None:
    """A guard composed of others answers what the same formula of their answers does."""

    flags = Flags(a=a, b=b, c=c)

    assert truth(tree, flags) is build(tree)(flags)


def said(guard: Guard[Flags], flags: Flags) -> bool | str:
    try:
        return guard(flags)
    except RuntimeError:
        return "raises"


@given(trees, trees, st.booleans(), st.booleans())
def test_what_is_written_shorter_means_the_same(tree: Any, other: Any, a: bool, b: bool) -> None:
    """A negation pushed inwards, and two guards joined without repetition, answer and raise as the plain ones do."""
    flags = Flags(a=a, b=b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ATOMS, "c", breaks)
        one, two = build(tree), build(other)

    assert said(negated(one), flags) == said(~one, flags)
    assert said(both(one, two), flags) == said(one & two, flags)
    assert said(both(None, two), flags) == said(two, flags)


def test_a_guard_is_written_as_a_user_would() -> None:
    """A negation of negations is none, and what stands alone has no parentheses."""
    assert as_written(negated(~is_a | ~is_b)) == "is_a & is_b"
    assert as_written(negated(is_a | is_b)) == "~(is_a | is_b)"
    assert as_written(both(is_a & is_b, is_b & ~is_c)) == "is_a & is_b & ~is_c"
    assert as_written(is_a) == "is_a"
    assert str(never(is_a | is_b).after((is_a & is_b) | is_c)) == "never(is_a | is_b).after((is_a & is_b) | is_c)"


@given(st.lists(st.sampled_from(list(ATOMS))), st.booleans(), st.booleans(), st.booleans())
def test_many_at_once(names: list[str], a: bool, b: bool, c: bool) -> None:
    """`all_of` and `any_of` take any number of guards; none at all hold as `all` and `any` do."""

    flags = Flags(a=a, b=b, c=c)
    guards = [ATOMS[name] for name in names]

    assert all(getattr(flags, name) for name in names) is all_of(*guards)(flags)
    assert any(getattr(flags, name) for name in names) is any_of(*guards)(flags)


def test_later_guards_are_not_asked_in_vain() -> None:
    """A guard behind one that settles the answer is not asked."""

    assert False is (is_a & breaks)(Flags())
    assert True is (is_a | breaks)(Flags(a=True))


@pytest.mark.parametrize("composed", [~breaks, ~~breaks, all_of(breaks), any_of(is_a, breaks), not_(breaks & is_a)])
def test_a_guard_that_raises_is_not_turned_into_a_yes(composed: Guard[Flags]) -> None:
    """A guard that raises raises through every composition that had to ask it, so it counts as false either way."""

    with pytest.raises(RuntimeError, match="broken"):
        composed(Flags())


@pytest.mark.parametrize("composed", [~says_yes, all_of(says_yes), any_of(is_a, says_yes), ~~says_yes])
def test_an_answer_that_is_no_bool_is_not_turned_into_one(composed: Guard[Flags]) -> None:
    """A truthy answer inside a composition is as wrong as outside."""

    with pytest.raises(TypeError, match=r"^a guard answers True or False, not str$"):
        composed(Flags())


@pytest.mark.parametrize("answer", [True, False])
def test_a_bool_is_an_answer(answer: bool) -> None:
    """A bool is taken as it is."""

    assert answer is as_bool(answer)


@pytest.mark.parametrize("answer", ["yes", "", 1, 0, None, [], 1.0, object()])
def test_nothing_else_is_an_answer(answer: object) -> None:
    """Whatever is not a bool is no answer, truthy or not."""

    with pytest.raises(TypeError, match=rf"^a guard answers True or False, not {type(answer).__name__}$"):
        as_bool(answer)


def test_a_guard_is_named_by_its_function() -> None:
    """A guard is known by the qualified name of its function, composed ones by their structure."""

    assert f"{__name__}:is_a" == is_a.canonical
    assert {"any": (f"{__name__}:is_a", {"not": (f"{__name__}:is_b",)})} == (is_a | ~is_b).canonical


def asked_once(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree
    operator, *parts = tree[0], *map(asked_once, tree[1:])
    is_doubled = operator in "&|" and parts[0] == parts[1] and isinstance(parts[0], str)
    return parts[0] if is_doubled else (operator, *parts)


@given(trees, trees)
def test_structure_is_the_canonical_form(one: Any, other: Any) -> None:
    """Two composed guards have the same canonical form if they were composed alike; `a & a` is `a`."""

    assert (asked_once(one) == asked_once(other)) == (build(one).canonical == build(other).canonical)


def test_a_guard_that_is_joined_with_itself_is_asked_once() -> None:
    """A guard that is doubled a hundred times costs what it cost before; one that would grow is refused."""
    asked = []

    @guard
    def counts(f: Flags) -> bool:
        asked.append(f)
        return True

    doubled = counts
    for _ in range(100):
        doubled = doubled & doubled | doubled
    assert doubled(Flags())
    assert 1 == len(asked)
    assert 1 == len(all_of(counts, counts, counts).parts)

    with pytest.raises(ValueError, match=r"1000 predicates at most.*write the whole as one function"):
        functools.reduce(lambda grown, _: (grown & is_a) | (grown & is_b), range(100), counts)
    with pytest.raises(ValueError, match="100 inside each other"):
        functools.reduce(lambda deep, _: deep & is_a, range(200), counts)
    assert any_of(*(guard(functools.partial(is_last, n)) for n in range(1_000)))(Flags())


def is_last(n: int, f: Flags) -> bool:
    return n == 999


@pytest.mark.parametrize(
    "nameless", [lambda f: True, functools.partial(lambda f, x: x, x=True)], ids=["lambda", "partial"]
)
def test_nameless_predicates_have_no_canonical_form(nameless: Callable[[Flags], bool]) -> None:
    """A lambda or a partial has no name that means the same in every process, nor has what is composed of it."""

    made = guard(nameless)

    assert None is made.canonical
    assert None is (is_a & ~made).canonical
    assert "<unnamed guard>" == repr(made)
    assert True is made(Flags())


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (is_a, "is_a"),
        (~is_a, "~is_a"),
        (is_a & is_b, "(is_a & is_b)"),
        (~(is_a | is_b) & is_c, "(~(is_a | is_b) & is_c)"),
    ],
)
def test_a_guard_is_shown_as_it_was_written(shown: Guard[Flags], text: str) -> None:
    """A guard is shown by the names of its functions and the signs between them."""

    assert text == repr(shown)


def test_a_composed_guard_tells_its_parts() -> None:
    """The parts of a guard are the guards it was composed of, in order, and a leaf has none."""
    composed = (is_a & ~is_b) | is_c

    assert ("any", is_c) == (composed.connective, composed.parts[1])
    assert ("all", is_a) == (composed.parts[0].connective, composed.parts[0].parts[0])
    assert ("not", (is_b,)) == (composed.parts[0].parts[1].connective, composed.parts[0].parts[1].parts)
    assert (None, ()) == (is_a.connective, is_a.parts)
    assert ("all", (is_a, is_b, is_c)) == (all_of(is_a, is_b, is_c).connective, all_of(is_a, is_b, is_c).parts)


@pytest.mark.parametrize("other", [True, "a", None])
def test_a_guard_is_joined_with_guards(other: Any) -> None:
    """Anything else is refused by the operator itself."""
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = is_a & other
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = is_a | other


@pytest.mark.parametrize(
    "ask", [lambda: is_a and is_b, lambda: is_a or is_b, lambda: not is_a, lambda: bool(is_a & is_b)]
)
def test_a_guard_is_neither_true_nor_false(ask: Callable[[], object]) -> None:
    """Python's own connectives are refused: they would drop a guard."""
    with pytest.raises(TypeError, match=r"^join guards with &, \| and ~, not with and, or, not$"):
        ask()


async def answers_later(f: Flags) -> bool:
    return True


def answers_in_turn(f: Flags) -> Any:
    yield True


class AnswersLater:
    async def __call__(self, f: Flags) -> bool:
        return True


@pytest.mark.parametrize(
    ("predicate", "how"),
    [
        (answers_later, "a guard returns a bool at once, and answers_later is async or a generator: write a plain"),
        (answers_in_turn, "a guard returns a bool at once, and answers_in_turn is async or a generator: write a plain"),
        (functools.partial(answers_later), "a guard returns a bool at once, and functools.partial"),
        (AnswersLater(), "a guard returns a bool at once, and <"),
        (Flags, "a guard is made of a function of the context, not of Flags: write one and decorate it"),
        ("is_a", "a guard is made of a function of the context, not of 'is_a': write one and decorate it"),
        (lambda: True, r"a guard takes the context and no more, and <lambda> takes \(\): give it one parameter"),
        (
            lambda f, g: True,
            r"a guard takes the context and no more, and <lambda> takes \(f, g\): give it one parameter",
        ),
    ],
)
def test_what_cannot_be_a_guard_is_refused_where_it_is_decorated(predicate: Any, how: str) -> None:
    """A predicate that could not answer is refused at once, and not taken for a guard that never holds."""
    with pytest.raises(TypeError, match=f"^{how}"):
        guard(predicate)


def test_contexts_are_those_annotated() -> None:
    """A guard knows the contexts that it and its parts are annotated for."""

    @guard
    def unannotated(f):  # type: ignore[no-untyped-def]
        return True

    class Local(Context):
        a: bool = False

    @guard
    def local(f: Local) -> bool:
        return f.a

    assert (Flags,) == is_a.contexts
    assert () == unannotated.contexts
    assert (Local,) == local.contexts
    assert (Flags, Others) == all_of(is_a, of_others).contexts


def test_an_annotation_that_cannot_be_resolved_makes_a_guard_all_the_same() -> None:
    """A guard whose annotation cannot be resolved is a guard of unknown context."""

    def odd(f: Any) -> bool:
        return True

    odd.__annotations__ = {"f": "Flags.missing", "return": "bool"}

    assert () == guard(odd).contexts


def at_least(level: int) -> Guard[Flags]:
    @guard
    def is_high(f: Flags) -> bool:
        return int(f.a) + int(f.b) + int(f.c) >= level

    return is_high


class AtLeast:
    def __init__(self, level: int) -> None:
        self.level = level

    def __call__(self, f: Flags) -> bool:
        return int(f.a) + int(f.b) + int(f.c) >= self.level


class Shop:
    def __init__(self, level: int) -> None:
        self.level = level

    def is_high(self, f: Flags) -> bool:
        return int(f.a) + int(f.b) + int(f.c) >= self.level


@pytest.mark.parametrize(
    "make",
    [at_least, lambda level: guard(AtLeast(level)), lambda level: guard(Shop(level).is_high)],
    ids=["closure", "instance", "bound method"],
)
def test_guards_that_answer_differently_are_not_named_alike(make: Callable[[int], Guard[Flags]]) -> None:
    """Guards that hold different values bear different names, or none: one name would be one guard to a digest."""

    one, three = make(1), make(3)

    assert one(Flags(a=True)) != three(Flags(a=True))
    assert one.canonical is None or one.canonical != three.canonical


def test_where_is_where_it_was_written() -> None:
    """A guard is found where its function is defined."""

    path, _, line = is_b.where.rpartition(":")

    assert __file__ == path
    with open(__file__, encoding="utf-8") as source:
        assert "def is_b" in "".join(source.readlines()[int(line) - 1 : int(line) + 1])
