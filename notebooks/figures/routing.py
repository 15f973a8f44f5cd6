"""Figures of the routing of real queries, and the centroids and the threshold of the help desk that they are about.

    python notebooks/figures/routing.py centroids CLINC.csv     writes machines/helpdesk_centroids.json
    python notebooks/figures/routing.py threshold CLINC.csv     prints the threshold, chosen on the validation split
    python notebooks/figures/routing.py record CLINC.csv        writes routing.json and ../pictures/routing.svg

The CSV has the columns `split`, `specialist`, `intent` and `text`, and is of CLINC150 (Larson et al., EMNLP-IJCNLP
2019, CC BY 3.0): five of its domains, and the queries that are out of scope. Readers need none of this: what is
recorded is committed. Every figure is what `fsm-orch eval` prints, but for the milliseconds: those are of the
processor, since a clock also counts what else the machine is busy with.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fsm_orch import Reply, Runner, Visit, discover
from fsm_orch.agents import Centroids, ExamplesAgent, dump_centroids
from fsm_orch.evaluate.picture import Router, draw
from fsm_orch.evaluate.routes import Rates, Share
from fsm_orch.evaluate.thresholds import Curve, Point, tuned
from fsm_orch.models import registry
from machines.domains import DOMAINS
from machines.helpdesk import ByExamples, Question

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CENTROIDS = ROOT / "machines" / "helpdesk_centroids.json"
RECORDED = HERE / "routing.json"
PICTURE = HERE.parent / "pictures" / "routing.svg"

NOBODY = "out_of_scope"
MODEL_QUERIES = 60
"""Queries that the language model is asked, chosen at random: each takes it half a second."""
ROUTERS = {
    "examples": "machines.helpdesk:ByExamples",
    "words, then examples": f"{HERE.relative_to(ROOT)}/desks.py:WordsThenExamples",
    "words": "machines.helpdesk:ByKeyword",
    "words, then a 135M model": f"{HERE.relative_to(ROOT)}/desks.py:Hybrid",
    "135M model": "machines.helpdesk:ByModel",
}
"""What is measured: the names that readers see, and the machines."""
ASKING = ("words, then a 135M model", "135M model")
"""Those that ask a language model."""
RATES = ("accuracy", "misroute", "false_fallback", "leak")
"""The rates of a router, as its figures name them."""


def rows(data: Path, split: str) -> list[dict[str, str]]:
    """Return the rows of a split."""
    with data.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["split"] == split]


def learned(examples: Iterable[Mapping[str, str]]) -> dict[str, Centroids]:
    """Return the centroids of each specialist's intents, from rows with `specialist`, `intent` and `text`."""
    texts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in examples:
        if row["specialist"] != NOBODY:
            texts[row["specialist"]][row["intent"]].append(row["text"])
    embedder = registry.embedder("minilm")
    return {label: Centroids.of(dict(sorted(texts[label].items())), embedder) for label in sorted(texts)}


def threshold(data: Path) -> Point:
    """Return the threshold that makes the fewest errors on the validation split, and what it does there."""
    agent = ByExamples.triage.agent
    assert isinstance(agent, ExamplesAgent)
    return tuned(agent, ((row["text"], row["specialist"]) for row in rows(data, "val")))


def measured(data: Path, machine: str, *, limit: int | None = None) -> dict[str, Any]:
    """Return what `fsm-orch eval` measures of a machine on the test split.

    Args:
        data: the CSV.
        machine: as on the command line.
        limit: how many queries, chosen at random; None: all.
    """
    command = [str(Path(sys.executable).with_name("fsm-orch")), "eval", machine, "--data", str(data.resolve())]
    command += ["--split", "test", "--json", *([] if limit is None else ["--limit", str(limit)])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    return {name: found[name] for name in ("queries", "model", *RATES, "tokens", "tradeoff")}


def milliseconds(data: Path, machine: str, *, batches: int) -> float:
    """Return the time of the processor that a decision takes, on average; specialists do nothing meanwhile.

    The least of several batches of twenty queries: whatever else the machine is busy with only adds to it.

    Args:
        data: the CSV.
        machine: as on the command line.
        batches: how many; all have the same queries.
    """
    desk = discover.machine(machine, ROOT)
    stand_ins = {desk.definition.states[domain.label]: _answered for domain in DOMAINS}
    runner: Runner[Question, None] = Runner(desk, model="local:smollm2", agents=stand_ins)
    every = rows(data, "test")
    asked = [Question(text=row["text"]) for row in every[:: len(every) // 20][:20]]
    times = []
    for _ in range(batches):
        began = time.process_time()
        for question in asked:
            runner.run_sync(question)
        times.append(1000 * (time.process_time() - began) / len(asked))
    return min(times)


def _answered(_visit: Visit[Question]) -> Reply:
    return Reply("done", {Question.answer: "Here you are."})


def record(data: Path) -> None:
    """Measure all machines, and write the figures and the picture."""
    found: dict[str, Any] = {}
    for name, machine in ROUTERS.items():
        limit = MODEL_QUERIES if name in ASKING else None
        found[name] = measured(data, machine, limit=limit)
        found[name]["milliseconds"] = round(milliseconds(data, machine, batches=3 if name in ASKING else 10), 2)
    figures = {"queries": "CLINC150, test split", "validation": threshold(data).threshold, "routers": found}
    RECORDED.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture(), encoding="utf-8")


def recorded() -> dict[str, Any]:
    """Return what was recorded."""
    figures: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return figures


def rates(figures: Mapping[str, Any]) -> Rates:
    """Return the rates of a router, from its figures."""
    return Rates(**{name: Share(figures[name]["count"], figures[name]["of"]) for name in RATES})


def curve(figures: Mapping[str, Any]) -> Curve:
    """Return what each threshold of a router would do, from its figures."""
    whole = rates(figures)
    points = []
    for point in figures["tradeoff"]["points"]:
        wrong = {name: Share(point[name], getattr(whole, name).of) for name in ("misroute", "false_fallback", "leak")}
        right = whole.accuracy.of - sum(share.count for share in wrong.values())
        points.append(Point(point["threshold"], Rates(accuracy=Share(right, whole.accuracy.of), **wrong)))
    return Curve(tuple(points))


def picture() -> str:
    """Draw what was recorded, as SVG."""
    found = recorded()["routers"]
    routers = [
        Router(
            name,
            rates(figures),
            curve=curve(figures) if name == "examples" else None,
            threshold=figures["tradeoff"]["threshold"] if name == "examples" else None,
            note=f"{_shown(figures['milliseconds'])} ms",
        )
        for name, figures in found.items()
    ]
    whole = rates(found["examples"])
    lines = (
        f"{whole.accuracy.of:,} real queries (CLINC150), {whole.leak.of:,} of them for nobody here; the model was "
        f"asked {MODEL_QUERIES} of them.",
        "Left: each threshold of the examples, and the other routers. Right: all errors, and the time of a decision.",
    )
    return draw(routers, title="You choose what goes wrong", lines=lines)


def table() -> str:
    """Return what was recorded as a table in Markdown."""
    lines = ["| router | queries | right | misroute | false fallback | leak | ms |", "|---|--:|--:|--:|--:|--:|--:|"]
    for name, figures in recorded()["routers"].items():
        cells = (f"{100 * figures[key]['rate']:.1f} %" for key in RATES)
        took = _shown(figures["milliseconds"])
        lines.append(f"| {name} | {figures['queries']:,} | {' | '.join(cells)} | {took} |")
    return "\n".join(lines)


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:,.1f}" if milliseconds < 100 else f"{milliseconds:,.0f}"


def main(what: str, data: str) -> None:
    """Do what the first word of the command line says."""
    if what == "centroids":
        CENTROIDS.write_text(dump_centroids(learned(rows(Path(data), "train"))), encoding="utf-8")
    elif what == "threshold":
        print(threshold(Path(data)))
    elif what == "record":
        record(Path(data))
    else:
        sys.exit(f"no {what!r}: say centroids, threshold or record")


if __name__ == "__main__":
    main(*sys.argv[1:])
