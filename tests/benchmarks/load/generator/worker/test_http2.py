import pytest

from litho.benchmarks.load.generator.worker.http2 import Headers, frame, read_headers, settings


def test_a_frame_has_its_length_kind_flags_and_stream():
    assert frame(1, 4, 3, b"abc") == b"\0\0\3\1\4\0\0\0\3abc"
    assert settings({4: 2**31 - 1}) == b"\0\0\6\4\0\0\0\0\0\0\4\x7f\xff\xff\xff"


def test_headers_follow_the_examples_of_the_standard():
    # RFC 7541, C.3.1 and C.3.2, but for the method.
    headers = Headers("http", [(":authority", "www.example.com"), ("cache", "no")])
    assert headers.first == b"\x83\x86\x41\x0fwww.example.com\x40\x05cache\x02no"
    # The header that was stored last has the index 62.
    assert headers.again == bytes((0x83, 0x86, 0x80 | 63, 0x80 | 62))
    assert read_headers(headers.plain)["cache"] == "no"


@pytest.mark.parametrize(
    ("block", "found"),
    [
        # RFC 7541, C.6.1: codes of Huffman, and an indexed name.
        ("4882 6402 5885 aec3 771a 4b", {":status": "302"}),
        ("88", {":status": "200"}),
        ("3fe11f 00 86 2a2b 00", None),
        ("20 40 0b 677270632d737461747573 02 3134", {"grpc-status": "14"}),
        ("00 88 9acac8b21234da8f 01 30", {"grpc-status": "0"}),
    ],
)
def test_headers_of_answers_are_read(block, found):
    content = bytes.fromhex(block.replace(" ", ""))
    if found is None:
        with pytest.raises(IndexError):
            read_headers(content)
    else:
        assert read_headers(content) == found


def test_a_long_value_is_read_back():
    headers = Headers("https", [("x-long", "a" * 5000), ("content-type", "b" * 126)])
    assert read_headers(headers.plain) == {"x-long": "a" * 5000}
