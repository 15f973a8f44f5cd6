"""The engines that the suite of this room tries: a new one joins with a row."""

from __future__ import annotations

from support.engines.bench import Benches
from support.engines.dbos_bench import dbos_bench
from support.engines.temporal_bench import temporal_bench

ENGINES: Benches = {"dbos": dbos_bench, "temporal": temporal_bench}
