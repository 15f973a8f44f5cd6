"""Write the figures of a file of recorded runs, and the picture of them; without a file, the picture alone."""

import argparse
from pathlib import Path

from .figures import figures, read, write
from .picture import draw
from .runs import load

parser = argparse.ArgumentParser(prog="python -m figures.recorded", description=__doc__)
parser.add_argument("file", type=Path, nargs="?", help="recorded runs, one a line, as `runs.py` shows one")
file = parser.parse_args().file
if file is not None:
    write(figures(load(file)))
draw(read())
