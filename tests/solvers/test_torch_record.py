"""What is recorded of torch is what torch computes, where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.torch_record import CASES, FOLDER, record, recorded


def test_every_record_has_its_case():
    assert sorted(file.stem for file in FOLDER.glob("*.csv")) == sorted(CASES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_torch_walks_as_recorded(case):
    pytest.importorskip("torch")
    # another processor's last bits, carried through 200 steps
    np.testing.assert_allclose(record(case), recorded(case), rtol=1e-12, atol=1e-12)
