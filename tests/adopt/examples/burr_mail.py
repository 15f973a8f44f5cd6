"""An assistant for mail, in Burr: drafts go round with a human for ever, and one way stands behind a default."""

from typing import Any

from burr.core import Application, ApplicationBuilder, State, action, default, expr, when


class Client:
    """Stand for an SDK's client; nothing here is run."""

    chat: Any


client = Client()


def ask(text: str) -> str:
    """Ask a model."""
    return client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])


@action(reads=[], writes=["mail"])
def receive(state: State, mail: str) -> State:
    """Take what was sent in."""
    return state.update(mail=mail)


@action(reads=["mail"], writes=["kind"])
def sort(state: State) -> State:
    """Decide what kind of mail it is."""
    return state.update(kind=ask(state["mail"]))


@action(reads=["mail"], writes=["draft"])
def draft(state: State) -> State:
    """Write a draft."""
    return state.update(draft=[ask(line) for line in state["mail"]])


@action(reads=["draft"], writes=["remarks"])
def review(state: State, remarks: str) -> State:
    """Take what a human says of the draft."""
    return state.update(remarks=remarks)


@action(reads=["draft"], writes=["sent"])
def send(state: State) -> State:
    """Send the draft."""
    return state.update(sent=True)


@action(reads=[], writes=[])
def archive(state: State) -> State:
    """Put it away."""
    return state


def build() -> Application[Any]:
    """Return the application."""
    return (
        ApplicationBuilder()
        .with_actions(receive, sort, draft, review, send, archive)
        .with_transitions(
            ("receive", "receive", expr("len(mail) == 0")),
            ("receive", "sort", default),
            ("sort", "draft", when(kind="question")),
            ("sort", "archive", when(kind="spam")),
            ("draft", "review", default),
            ("review", "draft", expr("len(remarks) > 0")),
            ("review", "send", default),
            ("review", "archive", when(remarks="no")),
        )
        .with_entrypoint("receive")
        .with_state(mail="")
        .build()
    )


application = build()
