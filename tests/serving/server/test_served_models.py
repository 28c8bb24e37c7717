"""What a server loads is read from the configurations in its repository."""

from pathlib import Path

from litho.serving.server.served_models import is_cached, served_models


def test_what_an_interrupted_rollout_left_is_not_loaded(tmp_path: Path) -> None:
    configs = {
        "a": "",
        "a-canary": "",
        "b": "",
        "b-canary": 'parameters { key: "litho_canary_share" value { string_value: "0.1" } }',
        "lone-canary": "",
        "c": "",
        "c-canary": "nonsense {",
    }
    for name, text in configs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.pbtxt").write_text(text)
    assert served_models(tmp_path) == ("a", "b", "b-canary", "c", "lone-canary")


def test_a_response_cache_is_asked_for_by_a_configuration(tmp_path: Path) -> None:
    assert not is_cached(tmp_path / "absent")
    for text, cached in (("", False), ("response_cache { enable: true }", True), ("nonsense {", False)):
        (tmp_path / "config.pbtxt").write_text(text)
        assert is_cached(tmp_path) is cached
