"""What pytest loads of fsm_orch in every project that has it installed: its options, and nothing else.

A wheel holds it once more as `_fsm_orch_pytestplugin`, outside of the package, since importing anything within imports
all of `fsm_orch`; that copy is the one pytest loads. The plug-in proper is `fsm_orch.testing.plugin`, which is imported
once an option asks for it.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fsm_orch", "machines of fsm_orch")
    group.addoption(
        "--fsm",
        action="append",
        default=[],
        metavar="TARGET",
        help="Test every machine of a module, file or package, such as 'shop', 'machines/shop.py' or 'shop:ShopFloor'; "
        "may be given several times. Without other arguments nothing else is tested.",
    )
    group.addoption(
        "--fsm-coverage",
        action="store_true",
        help="Report which edges of which machines the runs of this session took.",
    )
    group.addoption(
        "--fsm-require-coverage",
        type=float,
        metavar="PERCENT",
        help="Fail if the runs of this session took fewer of the declared edges; reports them too.",
    )
    parser.addini("fsm", "Modules, files or packages whose machines are tested along with testpaths.", "args", [])


def pytest_configure(config: pytest.Config) -> None:
    """Load the plug-in if an option asks for it.

    Raises pytest.UsageError: if what it needs is not installed.
    """
    options = config.option
    if options.fsm or options.fsm_coverage or options.fsm_require_coverage is not None or config.getini("fsm"):
        try:
            from fsm_orch.testing.plugin import install  # noqa: PLC0415 - not for those who do not ask
        except ModuleNotFoundError as error:
            if error.name != "hypothesis":
                raise
            raise pytest.UsageError("--fsm needs Hypothesis: pip install 'fsm_orch[test]'") from None
        install(config)
