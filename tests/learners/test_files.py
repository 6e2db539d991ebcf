"""A file is written as a whole, or said to be unwritable in one line."""

import pytest

from sandlot.learners.errors import StoreError
from sandlot.learners.files import write_whole


def test_a_file_where_a_folder_must_be_is_said_in_one_line(tmp_path):
    (tmp_path / "here").write_text("mine")
    with pytest.raises(StoreError, match="here/in/it' cannot be written"):
        write_whole(tmp_path / "here" / "in" / "it", b"x")
    assert (tmp_path / "here").read_text() == "mine"
