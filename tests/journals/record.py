"""Record the stored journals and digests anew: `python tests/journals/record.py`."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

if __name__ == "__main__":
    # instead of this folder, whose module `machines` would stand for the gallery
    sys.path[:1] = [str(TESTS.parent), str(TESTS)]

    from journals.recordings import main

    main()
