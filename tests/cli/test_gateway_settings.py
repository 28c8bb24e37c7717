"""Every setting of a gateway has an option, and what is wrong with it is one line that names the option."""

from pathlib import Path

import pytest

from litho.cli.gateway_settings import OPTIONS, settings_of
from litho.errors import UsageError
from litho.serving.gateway.settings import GatewaySettings

from .conftest import Command, Complaint

SERVER = "grpc://127.0.0.1:1"


def test_every_setting_has_an_option() -> None:
    assert set(OPTIONS) == set(GatewaySettings.model_fields) - {"server"}


def test_options_win_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text('{"schema_version": 1, "settings": {"port": 1, "keys": "k.json", "concurrent": 3}}')
    options = dict.fromkeys(OPTIONS) | {"port": 2, "allow_origins": []}
    made = settings_of(SERVER, file, options)
    expected = GatewaySettings(server=SERVER, port=2, keys=tmp_path / "k.json", concurrent=3)
    assert made == expected
    assert settings_of(SERVER, None, {"allow_origins": ["https://a.example.org"]}).allow_origins == (
        "https://a.example.org",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--most-pictures", "0"), "--most-pictures was given 0; expected at least 1"),
        (
            ("--allow-origin", "example.org"),
            "'example.org'; expected an origin such as https:",
        ),
        (("--public-url", "example.org/litho"), "'example.org/litho'; expected an address such as https:"),
        (("--port", "70000"), "--port was given 70000"),
        (("--traces", "h:4318"), "traces was given 'h:4318'; expected http://HOST:PORT/v1/traces"),
        (("--host", "0.0.0.0"), "--keys and --tls-certificate are missing"),
        (("--insecure-remote",), "127.0.0.1 is reached from this machine alone; leave it out"),
        (("--keys", "absent.json"), "there is no file of keys at 'absent.json'"),
        (
            ("--keys", "/"),
            "the file of keys / cannot be read: Is a directory; give that of 'litho key create'",
        ),
        (("--settings", "absent.json"), "absent.json is not a file of settings: No such file"),
        (("--repository", "absent"), "--repository was given 'absent', which is not a folder"),
        (("--audit-log", "/"), "--audit-log was given '/', which is a folder; give a file in it"),
    ],
)
def test_what_is_wrong_is_said_with_the_option(
    litho_here: Command, error_of: Complaint, given: tuple[str, ...], said: str
) -> None:
    refused = litho_here("gateway", SERVER, *given)
    assert refused.returncode == 2
    assert said in error_of(refused)


def test_the_server_is_an_address(litho_here: Command, error_of: Complaint) -> None:
    with pytest.raises(UsageError, match="server was given 'here'; expected grpc://HOST:PORT"):
        settings_of("here", None, {})


def test_options_stand_under_headings(litho_here: Command) -> None:
    shown = litho_here("gateway", "--help").stdout
    headings = ("Who may use it", "How much it takes", "What it makes", "What it writes down")
    assert sorted(headings, key=shown.index) == list(headings)
