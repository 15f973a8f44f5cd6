"""What limits would have done to 92 recorded runs of agents that failed: waste cut, and good work lost.

`runs` reads the runs, `guards` replays limits on them, `kernel` plays them as machines, `figures` adds up what came of
it, and `picture` draws that. The runs are in a file that is not part of this project: only sums over all of them are
written, into `figures.json` beside this file. In the folder `notebooks`:

    python -m figures.recorded recorded_handoffs.jsonl
"""
