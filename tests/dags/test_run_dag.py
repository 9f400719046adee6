"""What a run in a terminal says when it fails."""

from scripts.run_dag import reason_of_failure


def test_the_reason_is_that_of_the_operator() -> None:
    raised = {"exc_type": "AirflowFailException", "exc_value": "the connection 'x' does\nnot exist"}
    event = {"event": "Task failed with exception", "exception": [raised]}
    assert reason_of_failure(event) == "the connection 'x' does not exist"


def test_other_events_and_other_errors_are_no_reason() -> None:
    assert not reason_of_failure({"event": "Task started"})
    assert not reason_of_failure({"event": "x", "exception": None})
    assert not reason_of_failure({"event": "x", "exception": [{"exc_type": "ValueError"}]})


def test_a_dag_that_cannot_be_read_is_a_reason() -> None:
    raised = {"exc_type": "ValueError", "exc_value": "wrong setting"}
    event = {"event": "Failed to import: dags/image_reindex.py", "exception": [raised]}
    assert reason_of_failure(event) == "wrong setting"
