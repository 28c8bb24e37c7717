from litho.benchmarks.load.generator.worker.book import (
    CONTROL_WORDS,
    ENDED,
    FAILED,
    STARTED,
    STOP,
    Book,
    Control,
)


def test_both_sides_of_a_control_see_the_same_numbers(tmp_path):
    file = tmp_path / "control"
    file.write_bytes(bytes(8 * CONTROL_WORDS))
    ours, theirs = Control(file), Control(file)
    ours.words[STOP] = 1
    assert theirs.words[STOP] == 1
    book = Book(theirs.words, 0)
    book.begin(0.0, 0.0)
    book.begin(0.0, 0.0)
    book.end(1, 1.0, "no")
    assert [ours.words[word] for word in (STARTED, ENDED, FAILED)] == [2, 1, 1]
    ours.close()
    theirs.close()
