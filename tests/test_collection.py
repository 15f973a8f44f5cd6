"""What pytest collects, which two processes must agree on before they can share the work."""

import pytest


def test_ids_have_no_addresses(request: pytest.FixtureRequest) -> None:
    """No test is named after an object whose address differs from process to process."""
    assert [] == [item.nodeid for item in request.session.items if " at 0x" in item.nodeid]
