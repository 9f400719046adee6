import pytest

from tasks.errors import UserError
from tasks.evaluation.labels import csv_labels, folder_labels, folder_levels

EXPECTED = {"a/b.jpg": "cat", "c.jpg": "dog"}


@pytest.mark.parametrize(
    "text",
    [
        "name,label\na/b.jpg,cat\nc.jpg,dog\n",
        "\ufeffname,label\r\na/b.jpg,cat\r\nc.jpg,dog",
        "name, label\na/b.jpg, cat\nc.jpg,dog \n\n",
        'label,by,name\ncat,me,a/b.jpg\ndog,"you, too",c.jpg\n',
        "name,label\na/b.jpg,cat\na/b.jpg,cat\nc.jpg,dog\nd.jpg,\n",
    ],
    ids=["plain", "from Excel", "spaces", "more columns", "repeated and empty"],
)
def test_labels_are_read_as_people_and_programs_write_them(text: str) -> None:
    assert csv_labels(text.encode(), "labels.csv") == EXPECTED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "'name' is not in list"),
        (b"a.jpg,cat\n", "'name' is not in list"),
        (b"name;label\na.jpg;cat\n", "'name' is not in list"),
        (b"name,label\na.jpg\n", "line 2 has 1 fields"),
        (b"name,label\na, b.jpg,cat\n", "line 2 has 3 fields, the first 2; commas"),
        (b"name,label\na.jpg,cat\na.jpg,dog\n", "a.jpg has two labels, cat and dog"),
        ("name,label\nä.jpg,cat\n".encode("latin-1"), "can't decode byte"),
        ("name,label\na.jpg,cat\n".encode("utf-16"), "can't decode byte"),
        (b'name,label\n"a.jpg,cat\n', "unexpected end of data"),
    ],
)
def test_what_is_no_file_of_labels_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UserError, match=f"labels.csv is not a CSV file in UTF-8.*{reason}"):
        csv_labels(data, "labels.csv")


def test_folders_are_labels_all_or_the_first_few_of_them() -> None:
    names = ["a/b/c.jpg", "a/d.jpg", "e.jpg"]
    assert folder_labels(names) == {"a/b/c.jpg": "a/b", "a/d.jpg": "a"}
    assert folder_labels(names, 1) == {"a/b/c.jpg": "a", "a/d.jpg": "a"}


def test_a_source_says_whether_folders_are_labels() -> None:
    sources = ["folders", "folders:2", "folders:0", "folders/labels.csv"]
    assert [folder_levels(source) for source in sources] == [0, 2, None, None]
