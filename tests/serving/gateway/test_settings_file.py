from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.serving.gateway.settings_file import read_settings


def write(folder: Path, content: str) -> Path:
    path = folder / "gateway.json"
    path.write_text(content)
    return path


def test_only_what_is_given_is_read_and_files_are_beside_it(tmp_path: Path) -> None:
    text = (
        '{"schema_version": 1, "settings": {"keys": "keys.json", "tls_key": "/etc/k.pem", "concurrent": 2}}'
    )
    assert read_settings(write(tmp_path, text)) == {
        "keys": tmp_path / "keys.json",
        "tls_key": Path("/etc/k.pem"),
        "concurrent": 2,
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a file of settings"),
        ("{}", "is not a file of settings; expected"),
        ('{"schema_version": 2, "settings": {}}', "has schema version 2"),
        ('{"schema_version": 1, "settings": {"ports": 1}}', "did you mean 'port'"),
        ('{"schema_version": 1, "settings": {"server": "grpc://a:1"}}', "unknown setting"),
        ('{"schema_version": 1, "settings": {"port": "x"}}', "port was given 'x'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_settings(write(tmp_path, content))
