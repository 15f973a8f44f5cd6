"""The page about models: its table of the bridge is that of the rows, which the suite holds to what they say."""

from conformance.models.bridged import table
from support.shown import ROOT

PAGE = (ROOT / "notebooks" / "how-to" / "model.md").read_text(encoding="utf-8")


def test_the_table_of_the_bridge_is_made_from_its_rows() -> None:
    """What does not hold of a provider behind pydantic-ai is what its row of the suite expects."""
    assert table() in PAGE
