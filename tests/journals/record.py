"""Record the stored journals and digests anew: `python tests/journals/record.py`.

With `folded`, their inputs stay as an older version wrote them, and only what they fold to is written anew: for records
that have gained a field.
"""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]

if __name__ == "__main__":
    # instead of this folder, whose module `machines` would stand for the gallery
    sys.path[:1] = [str(TESTS.parent), str(TESTS)]

    from journals.recordings import fold_again, main

    fold_again() if sys.argv[1:] == ["folded"] else main()
