from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.catalogue import Changes, Image, open_comparison
from tasks.lake.store import StoredObject

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5
)
CONTENTS = st.sampled_from(["red", "green", "blue", "yellow"])


def listed(contents: dict[str, str]) -> Iterable[StoredObject]:
    return (StoredObject(name, len(text), f"etag:{text}", 0.0) for name, text in contents.items())


def released(contents: dict[str, str]) -> Iterable[Image]:
    return (
        Image(name=name, bytes=len(text), fingerprint=f"etag:{text}", sha256=text, row=row)
        for row, (name, text) in enumerate(sorted(contents.items()))
    )


def compare(before: dict[str, str], after: dict[str, str]) -> tuple[Changes, list[Image]]:
    with open_comparison() as comparison:
        comparison.add_known(released(before))
        comparison.add_found(listed(after))
        for new in comparison.candidates():
            if known := comparison.find_same(new.name, after[new.name]):
                comparison.mark_same(new.name, known)
        return comparison.changes(), list(comparison.images())


def test_without_a_release_everything_is_added() -> None:
    changes, images = compare({}, {"b": "blue", "a": "red"})
    assert changes == Changes(catalogue=2, added=2, changed=0, renamed=0, removed=0, unchanged=0)
    assert [(image.name, image.is_new) for image in images] == [("a", True), ("b", True)]


def test_an_unchanged_image_keeps_its_row() -> None:
    changes, images = compare({"a": "red", "b": "blue"}, {"b": "blue", "a": "red"})
    assert changes.unchanged == 2
    assert [image.row for image in images] == [0, 1]


def test_a_changed_image_is_new_work() -> None:
    changes, images = compare({"a": "red"}, {"a": "blue"})
    assert (changes.changed, changes.unchanged) == (1, 0)
    assert images[0].is_new


def test_a_renamed_image_keeps_its_row_under_the_new_name() -> None:
    changes, images = compare({"a": "red", "b": "blue"}, {"a": "red", "c": "blue"})
    assert changes == Changes(catalogue=2, added=0, changed=0, renamed=1, removed=0, unchanged=1)
    assert [(image.name, image.row) for image in images] == [("a", 0), ("c", 1)]


def test_an_image_moved_over_another_is_a_change_and_a_removal() -> None:
    changes, images = compare({"a": "red", "b": "tan"}, {"b": "red"})
    assert changes == Changes(catalogue=1, added=0, changed=1, renamed=0, removed=1, unchanged=0)
    assert [(image.name, image.row) for image in images] == [("b", 0)]


def test_images_that_swap_their_names_keep_their_rows() -> None:
    changes, images = compare({"a": "red", "b": "tan"}, {"a": "tan", "b": "red"})
    assert changes == Changes(catalogue=2, added=0, changed=2, renamed=0, removed=0, unchanged=0)
    assert [(image.name, image.row) for image in images] == [("a", 1), ("b", 0)]


def test_a_row_of_images_that_move_up_by_one_name_is_no_new_work() -> None:
    before = {"1": "red", "2": "tan", "3": "sky"}
    changes, images = compare(before, {"2": "red", "3": "tan", "4": "sky"})
    assert changes == Changes(catalogue=3, added=1, changed=2, renamed=0, removed=1, unchanged=0)
    assert [(image.name, image.row) for image in images] == [("2", 0), ("3", 1), ("4", 2)]


def test_a_removed_image_is_counted_and_gone() -> None:
    changes, images = compare({"a": "red", "b": "blue"}, {"a": "red"})
    assert changes.removed == 1
    assert [image.name for image in images] == ["a"]


def test_one_image_moved_to_two_names_is_renamed_once_and_added_once() -> None:
    changes, images = compare({"a": "red"}, {"b": "red", "c": "red"})
    assert (changes.renamed, changes.added, changes.removed) == (1, 1, 0)
    assert not any(image.is_new for image in images)


def test_a_touched_image_is_unchanged() -> None:
    with open_comparison() as comparison:
        comparison.add_known([Image(name="a", bytes=3, fingerprint="old", sha256="red", row=4)])
        comparison.add_found([StoredObject("a", 3, "new", 0.0)])
        (new,) = comparison.candidates()
        known = comparison.find_same(new.name, "red")
        assert known
        comparison.mark_same(new.name, known)
        assert comparison.changes().unchanged == 1
        assert next(comparison.images()).row == 4


def test_an_image_of_another_size_is_no_candidate_for_a_rename() -> None:
    with open_comparison() as comparison:
        comparison.add_known([Image(name="a", bytes=3, fingerprint="x", sha256="red", row=0)])
        comparison.add_found([StoredObject("b", 4, "y", 0.0)])
        assert not list(comparison.candidates())


def test_a_rejected_image_that_did_not_change_stays_rejected() -> None:
    with open_comparison() as comparison:
        comparison.add_known([Image(name="a", bytes=3, fingerprint="x", rejected="empty")])
        comparison.add_found([StoredObject("a", 3, "x", 0.0)])
        assert next(comparison.images()).rejected == "empty"


@given(
    before=st.dictionaries(NAMES, CONTENTS, max_size=8),
    after=st.dictionaries(NAMES, CONTENTS, max_size=8),
)
def test_any_change_is_accounted_for(before: dict[str, str], after: dict[str, str]) -> None:
    changes, images = compare(before, after)
    assert [image.name for image in images] == sorted(after)
    rows = {row: text for row, (_, text) in enumerate(sorted(before.items()))}
    for image in images:
        if image.row is not None:
            assert rows[image.row] == after[image.name]
        known = before.get(image.name) == after[image.name] or any(
            text == after[image.name] and after.get(name) != text for name, text in before.items()
        )
        assert image.is_new != known
    assert changes.catalogue == len(after)
    assert changes.added + changes.changed + changes.renamed + changes.unchanged == len(after)
    assert changes.removed + changes.changed + changes.renamed + changes.unchanged == len(before)
    assert min(changes.model_dump().values()) >= 0
