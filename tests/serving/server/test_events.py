import contextlib
import io
import json
from datetime import datetime
from pathlib import Path

from litho.serving.server.events import Event, Log


def test_an_event_is_one_line_for_a_person_and_one_document_for_a_program() -> None:
    event = Event("server-died", "the server died", "error", cause="signal SIGKILL", values={"seconds": 1.5})
    assert event.to_text() == f"{event.time} error   the server died: signal SIGKILL"
    document = json.loads(event.to_json())
    assert list(document) == ["time", "level", "event", "message", "model", "cause", "seconds"]
    assert document["event"] == "server-died"
    assert document["seconds"] == 1.5
    assert datetime.fromisoformat(document["time"]).tzinfo is not None
    assert "\n" not in Event("x", "a", cause="b\nc").to_json()


def test_a_log_writes_lines_in_the_form_that_was_asked_for() -> None:
    text, documents = io.StringIO(), io.StringIO()
    for stream, log in ((text, Log(text)), (documents, Log(documents, "json"))):
        log(Event("stopped", "stopped"))
        assert stream.getvalue().count("\n") == 1
    assert text.getvalue().endswith("info    stopped\n")
    assert json.loads(documents.getvalue())["event"] == "stopped"


def test_a_full_disk_and_a_closed_stream_lose_lines_and_nothing_else(tmp_path: Path) -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, too
    log = Log(full)
    log(Event("stopped", "stopped"))
    log(Event("stopped", "stopped"))
    assert log.lost == 2
    with contextlib.suppress(OSError):
        full.close()
    closed = (tmp_path / "log").open("w")
    closed.close()
    log = Log(closed)
    log(Event("stopped", "stopped"))
    assert log.lost == 1
