"""The hospital data's columns in words."""

import numpy as np
import pytest

import minfluence as mi
from minfluence.book.hospital import in_words


def test_a_column_that_is_none_of_theirs_is_refused():
    for column in ("age", "discharge_disposition_id_99", "Up"):
        with pytest.raises(ValueError, match="column of the hospital data"):
            in_words(column)


def test_every_column_has_words_of_its_own():
    try:
        names = mi.data.diabetes130()[-1]
    except mi.data.DataUnavailable as reason:
        pytest.skip(str(reason))
    words = [in_words(name) for name in names]
    assert len(np.unique(words)) == len(names) == 127
    assert not [w for w in words if "_" in w or len(w) > 40]
