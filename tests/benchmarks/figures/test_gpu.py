"""The tables of docs/gpu.md: every form, load and verdict of the stored documents, once."""

import json

from litho.benchmarks.figures.base import Results
from litho.benchmarks.figures.gpu import write


def test_every_form_load_and_verdict_has_a_row() -> None:
    results = Results()
    suite = results.read("gpu-nvidia-h100-80gb-hbm3")
    texts = write(results)
    forms = suite["results"]["bench"]["results"]
    assert [row.split(" | ")[0].removeprefix("| ") for row in texts[""].splitlines()[2:]] == list(forms)
    assert len(texts["served"].splitlines()) - 2 == len(suite["results"]["served"]["points"])
    ran = [
        row
        for rows in (suite["results"]["gate"]["rows"], results.read("gpu-check")["rows"])
        for row in rows
        if row["verdict"]["status"] != "not_run"
    ]
    assert len(texts["proof"].splitlines()) - 2 == len(ran)
    assert all(line.startswith("- ") for line in texts["missing"].splitlines())


def test_the_stored_documents_name_no_folder_of_a_machine() -> None:
    for name in ("gpu-nvidia-h100-80gb-hbm3", "gpu-check"):
        text = json.dumps(Results().read(name))
        assert not any(folder in text for folder in ("/root", "/tmp", "/opt", "/home"))
