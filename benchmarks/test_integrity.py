"""The dataset is what it says it is. A failure here stops every benchmark that would use the data."""

from __future__ import annotations

import pytest

from fixtures.dataset.integrity import CHECKS, Finding


@pytest.mark.integrity
@pytest.mark.parametrize("check", CHECKS)
def test_integrity(check: str, findings: dict[str, Finding]) -> None:
    """Each check holds."""
    finding = findings[check]
    if finding.passed is None:
        pytest.skip(finding.message)
    if not finding.passed:
        pytest.fail(finding.message, pytrace=False)
