import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tasks.batch_search import read_queries, search_batch
from tasks.command_line import app
from tasks.lake.store import Store
from tasks.search import search
from tests.tasks.pipeline import settings_for_tests

SETTINGS = settings_for_tests()


def answers(lake: Store, *queries: str) -> list[dict[str, object]]:
    output = io.StringIO()
    search_batch(lake, SETTINGS, queries, 2, (), output)
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_each_query_has_a_line_that_holds_what_one_search_answers(
    indexed: Store, master: Path
) -> None:
    queries = ["coffee_0.jpg", str(master / "cats" / "chelsea_1.png")]
    for query, line in zip(queries, answers(indexed, *queries), strict=True):
        alone = search(indexed, "s", query, 2, SETTINGS)
        assert line == {key: alone[key] for key in ("query", "release", "results", "warning")}


def test_a_query_that_cannot_be_answered_has_its_reason_and_the_rest_goes_on(
    indexed: Store,
) -> None:
    first, bad, last = answers(indexed, "coffee_0.jpg", "nobody.jpg", "coffee_1.jpg")
    assert "nobody.jpg" in str(bad["error"])
    assert "error" not in first
    assert "error" not in last


def test_queries_are_lines_without_blanks_and_byte_order_mark() -> None:
    assert list(read_queries(["\ufeffa.jpg\r\n", "\n", "  b c.jpg \n"])) == ["a.jpg", "b c.jpg"]


def test_what_a_batch_cannot_do_is_refused(indexed: Store, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("coffee_0.jpg\n", encoding="utf-8")
    options = ["--lake", str(indexed), "--batch", str(file), "--explain"]
    result = CliRunner().invoke(app, ["search", *options])
    assert result.exit_code == 2
    assert "leave the rest out" in result.stderr


@pytest.mark.parametrize(("queries", "status"), [("coffee_0.jpg\n", 0), ("x.jpg\n", 2)])
def test_the_status_tells_whether_all_were_answered(
    indexed: Store, tmp_path: Path, queries: str, status: int
) -> None:
    file = tmp_path / "queries.txt"
    file.write_text(queries, encoding="utf-8")
    result = CliRunner().invoke(app, ["search", "--lake", str(indexed), "--batch", str(file)])
    assert result.exit_code == status
    assert len(result.stdout.splitlines()) == 1
