"""Tables and texts that users give as files: in UTF-8, or in UTF-16 with the mark that Windows begins it with."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

from .show import CommandError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def text_of(held: bytes) -> str:
    """Return a text; its first bytes say how it is encoded, and are UTF-8 if they say nothing.

    Raises UnicodeDecodeError: if it is not so encoded.
    """
    return held.decode("utf-16" if held.startswith(UTF_16) else "utf-8-sig")


def rows(path: Path) -> tuple[tuple[str, ...], list[dict[str, str | None]]]:
    """Return the columns of a CSV file with a header, and its rows, where None stands for a cell that is missing.

    Raises CommandError: if the file cannot be read, or is no text in UTF-8 or UTF-16.
    """
    try:
        text = text_of(path.read_bytes())
        if "\0" in text:  # as of UTF-16 without its mark
            raise CommandError(f"{path} is no text: save it as CSV in UTF-8")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        return tuple(reader.fieldnames or ()), list(reader)
    except UnicodeDecodeError as error:
        place = f"byte {error.start + 1}"
        raise CommandError(f"{path} cannot be read: {place} is not UTF-8. Save it as CSV in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
