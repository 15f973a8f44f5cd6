"""A guard that its own agent can falsify: the reviewer may close the only door behind itself."""

from fsm_orch import Context, Final, Machine, State, Visit, guard


class Draft(Context):
    text: str
    is_open: bool = True


@guard
def is_open(draft: Draft) -> bool:
    return draft.is_open


def write(visit: Visit[Draft]):
    return None


def review(visit: Visit[Draft]):
    return {Draft.is_open: False}


class Review(Machine[Draft]):
    """Review what is open."""

    draft = State(write, initial=True)
    check = State(review, writes=(Draft.is_open,))
    published, human = Final(), Final(fallback=True)
    submit = draft.to(check, guard=is_open)
    closed = draft.to(human)
    publish = check.to(published, guard=is_open)


FOUND = "FSM203"
MENDED = (
    "publish = check.to(published, guard=is_open)",
    "publish = check.to(published, guard=is_open)\n    drop = check.to(human)",
)
