"""What `fsm_orch` gives to everybody."""

import importlib
import subprocess
import sys
import textwrap

import pytest

import fsm_orch


def _run(program: str) -> list[str]:
    """Run a program in an interpreter of its own, with warnings as errors; returns what it prints, by line."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_star_gives_the_public_names() -> None:
    """`from fsm_orch import *` binds the names in `__all__` and no others."""
    bound = _run("""
        before = set(globals())
        from fsm_orch import *
        print(*sorted(set(globals()) - before - {"before"}), sep="\\n")
    """)

    assert fsm_orch.__all__ == bound


FACES = ("", ".agents", ".define", ".models", ".observe", ".proof", ".resilience", ".service", ".store", ".testing")


@pytest.mark.parametrize("face", FACES)
def test_each_face_is_sorted_and_there(face: str) -> None:
    """Every face lists what it gives in order, and gives what it lists."""
    module = importlib.import_module(f"fsm_orch{face}")

    assert sorted(module.__all__) == module.__all__
    assert [] == [name for name in module.__all__ if not hasattr(module, name)]


def test_the_public_face_is_small() -> None:
    """A newcomer can read all names of `fsm_orch`; what only authors of adapters need is in the faces of the rooms."""
    assert len(fsm_orch.__all__) <= 51


def test_public_names_are_enough_to_run_a_machine() -> None:
    """A machine is written and run with public names alone, and needs no key and no network."""
    said = _run("""
        from fsm_orch import *

        class Ticket(Context):
            query: str
            answer: str | None = None

        class Support(Machine[Ticket]):
            reply = State(LLMAgent("Answer.", reads=(Ticket.query,), writes=(Ticket.answer,)), initial=True)
            answered = Final()
            human = Final(fallback=True)
            done = reply.to(answered, "the question is answered")

        result = Runner(Support, model=ScriptedModel([{"answer": "Yes."}])).run_sync(Ticket(query="Open today?"))
        print(result.state is Support.answered, result.context.answer, *result.path)
    """)

    assert ["True Yes. reply -done-> answered"] == said


def test_a_certificate_is_read_with_public_names() -> None:
    """What `Runner(certificate=...)` takes is had where the runner is, and is the one that proves make."""
    from fsm_orch.proof.bounds.certificate import Certificate

    assert Certificate is fsm_orch.Certificate
