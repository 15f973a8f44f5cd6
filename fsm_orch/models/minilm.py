"""The embedder that comes with the catalogue: all-MiniLM-L6-v2 in int8 (`onnxruntime`), with no key and no network.

A vector is the mean of the network's last hidden states, one for each token, as its authors take it (Reimers and
Gurevych, EMNLP 2019). Texts go through one by one: int8 scales the numbers of a whole batch together, so a vector would
depend on the texts beside it. Of a longer text only the first `MAX_TOKENS` tokens count.

The weights are loaded once a process, from memory that was checked. One thread infers; others wait. A forked process
loads its own. Results differ between processors in the last digits, as int8 is computed by other instructions.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ..define.wording import to_install, without_surrogates
from ..errors import ModelUnavailable
from . import forked, weights
from .embed import Vector, unit

NAME = "minilm"
"""In the catalogue, whose weights of one name never change."""

MAX_TOKENS = 128
"""With which the network was trained; about 90 words, and 25 ms on one thread."""


class MiniLM:
    """An embedder of 384 numbers a text, at 3 to 6 ms for a question, on one thread.

    Raises ModelUnavailable: if its weights are not in the cache, or a package is missing.
    """

    name = NAME

    def __init__(self) -> None:
        weights.paths_of(NAME, "embedding")
        _native()

    def embed(self, texts: Sequence[str]) -> tuple[Vector, ...]:
        """Return the vector of each text. The first call loads the weights, in about half a second.

        Raises ModelUnavailable: if they cannot be read, or are not the catalogue's.
        """
        return tuple(map(_shared().vector, texts))


class _Network:
    """The loaded network and its tokenizer."""

    def __init__(self) -> None:
        onnxruntime, tokenizers, self._numpy = _native()
        forked.in_child(_forget)
        network, tokenizer = weights.read(NAME)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
            self._tokenizer = tokenizers.Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # neither library has a class of its own for it
            raise ModelUnavailable(f"The weights of {NAME!r} cannot be loaded: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._turn = threading.Lock()

    def vector(self, text: str) -> Vector:
        """Return the vector of a text."""
        # a lone surrogate has no bytes, and the tokenizer no word for it
        ids = self._tokenizer.encode(without_surrogates(text)).ids
        given = self._numpy.array([ids], dtype="int64")
        ones = self._numpy.ones_like(given)
        with self._turn:
            (hidden,) = self._session.run(
                None, {"input_ids": given, "attention_mask": ones, "token_type_ids": ones - ones}
            )
        return unit(hidden[0].mean(axis=0).tolist())


_network: _Network | None = None
_network_lock = threading.Lock()


def _shared() -> _Network:
    """Return the network of this process; the first call loads it, while others wait."""
    global _network  # noqa: PLW0603 - one a process
    with _network_lock:
        if _network is None:
            _network = _Network()
        return _network


def _forget() -> None:
    """Leave what the parent of a forked process had loaded, and load anew when asked."""
    global _network, _network_lock  # noqa: PLW0603 - another thread of the parent may have held the lock
    _network_lock = threading.Lock()
    forked.keep(_network)
    _network = None


def _native() -> tuple[Any, Any, Any]:
    """Import the native libraries.

    Raises ModelUnavailable: if one is not installed.
    """
    try:
        import numpy  # noqa: PLC0415 - an extra
        import onnxruntime  # noqa: PLC0415 - an extra, and native
        import tokenizers  # noqa: PLC0415 - an extra, and native
    except ImportError as error:
        raise ModelUnavailable(f"This embedder needs some packages: {to_install('embed')}") from error
    return onnxruntime, tokenizers, numpy
