"""The hub's HTTP, spoken by its real client to a server in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from litho.errors import IntegrityError, RegistryError
from litho.registry.pull import pull
from litho.registry.push import push

from .conftest import BIG, grow, make_run, same_files
from .hub_server import HubServer

ADDRESS = "hf://me/tiny"

# The client's own upload calls its HTTP library in a way that this calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def files_of(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    repository = hub.repositories["me/tiny"]
    return repository.commits[repository.branches.get(revision, revision)]


def test_a_bundle_comes_back_as_it_went(hub: HubServer, small: Path) -> None:
    pushed = push(small, ADDRESS)
    assert pushed.address == f"{ADDRESS}@{hub.repositories['me/tiny'].branches['main']}"
    pulled = pull(ADDRESS)
    assert (pulled.kind, pulled.path, pulled.address) == ("bundle", Path("bundles/tiny"), pushed.address)
    assert same_files(small, pulled.path)
    assert not hub.leaked, "a token went to the storage"


def test_the_clients_own_programs_read_it(hub: HubServer, small: Path) -> None:
    import huggingface_hub

    push(small, ADDRESS)
    api = huggingface_hub.HfApi(endpoint=hub.url)
    folder = Path(api.snapshot_download("me/tiny", local_dir="client"))
    assert same_files(
        small, folder, without=("litho-package.json", "README.md", "pictures/", ".cache", ".gitattr")
    )
    assert huggingface_hub.ModelCard.load(folder / "README.md").data.library_name == "litho"


def test_large_files_go_once(hub: HubServer, small: Path) -> None:
    grow(small)
    first = push(small, ADDRESS)
    assert first.sent_bytes > len(BIG)
    hub.uploads.clear()
    again = push(small, ADDRESS)
    assert hub.uploads == []
    assert again.present_bytes > len(BIG)


def test_an_upload_replaces_the_one_before_and_leaves_what_is_not_its_own(
    hub: HubServer, small: Path
) -> None:
    push(make_run(Path("runs/tiny")), ADDRESS)
    files_of(hub).update({"notes.txt": b"by hand", "pictures/mine.png": b"by hand"})
    before = hub.repositories["me/tiny"].branches["main"]
    push(small, ADDRESS)
    now = set(files_of(hub))
    assert not now & {"snapshot.json", "snapshot.safetensors", "pictures/samples.png"}
    assert {"notes.txt", "pictures/mine.png", ".gitattributes", "manifest.json"} <= now
    assert pull(f"{ADDRESS}@{before}").kind == "run"


def test_a_branch_is_made_and_a_private_repository(hub: HubServer, small: Path) -> None:
    push(small, ADDRESS, revision="v1", private=True)
    assert "manifest.json" in files_of(hub, "v1")
    assert "manifest.json" not in files_of(hub)
    assert hub.repositories["me/tiny"].private
    assert same_files(pull(f"{ADDRESS}@v1").path, small)
    with pytest.raises(RegistryError, match=r"hf://me/tiny@v2 has no revision 'v2'; check its branches"):
        pull(f"{ADDRESS}@v2")


def test_somebody_else_pushes_meanwhile(hub: HubServer, small: Path) -> None:
    push(small, ADDRESS)
    grow(small)

    def meanwhile(method: str, path: str) -> None:
        if path.endswith("preupload/main"):
            hub.repositories["me/tiny"].commit("main", {**files_of(hub), "other": b""})

    hub.refuse = meanwhile
    with pytest.raises(RegistryError, match=f"somebody else has pushed to {ADDRESS} meanwhile; push again"):
        push(small, ADDRESS)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (
            "hf_wrong",
            "does not let you push to hf://me/tiny (401, Invalid credentials in Authorization header)",
        ),
        (HubServer.reader, "does not let you push to hf://me/tiny (403, You don't have the rights to write"),
        (None, "does not let you push to hf://me/tiny (401"),
    ],
)
def test_credentials_that_do_not_do_are_said(
    hub: HubServer, small: Path, monkeypatch: pytest.MonkeyPatch, token: str | None, said: str
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
        monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "nowhere")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(RegistryError) as refused:
        push(small, ADDRESS)
    assert said in str(refused.value)
    assert str(refused.value).endswith("run 'hf auth login', or set HF_TOKEN to a token that may")
    assert "\n" not in str(refused.value)


def test_an_unknown_repository_is_said(hub: HubServer) -> None:
    with pytest.raises(
        RegistryError, match=r"hf://me/other does not exist at .*, or is private \(404\); check the name"
    ):
        pull("hf://me/other")


def test_a_full_quota_is_said_and_continued(hub: HubServer, small: Path) -> None:
    grow(small)

    def full(method: str, path: str) -> tuple[int, str] | None:
        return (403, "Private repository storage limit reached") if path.endswith("objects/batch") else None

    hub.refuse = full
    with pytest.raises(
        RegistryError, match=r"takes no more .403, Private repository storage limit reached.: free space"
    ):
        push(small, ADDRESS)
    assert "manifest.json" not in files_of(hub)
    hub.refuse = lambda method, path: None
    push(small, ADDRESS)
    assert same_files(pull(ADDRESS).path, small)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://localhost:1"])
def test_no_network_is_said_at_once(
    hub: HubServer, small: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    for work in (lambda: push(small, ADDRESS), lambda: pull(ADDRESS)):
        with pytest.raises(
            RegistryError, match=rf"cannot reach {address} \(.*refused.*\); check the network, or HF_EN"
        ):
            work()


def test_the_clients_offline_mode_is_said(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", lambda: True)
    with pytest.raises(
        RegistryError, match="HF_HUB_OFFLINE is set, which forbids to pull from hf://me/tiny; unset it"
    ):
        pull(ADDRESS)


def test_a_changed_byte_is_refused_by_name(hub: HubServer, small: Path) -> None:
    grow(small)
    push(small, ADDRESS)
    hub.change = lambda path, content: content[:-1] + b"?" if path == "report.html" else content
    with pytest.raises(
        IntegrityError, match=r"report\.html has changed: its SHA-256 is not the one in the package"
    ):
        pull(ADDRESS)
    assert not Path("bundles/tiny").exists()


def test_the_hubs_own_hash_is_compared_before_anything_is_read(hub: HubServer, small: Path) -> None:
    grow(small)
    push(small, ADDRESS)
    files_of(hub)["report.html"] = BIG[:-1] + b"?"
    with pytest.raises(IntegrityError, match=r"report\.html has changed"):
        pull(ADDRESS)
    assert hub.sent == 0


@pytest.mark.parametrize(
    ("more", "said"), [(b"!", "more than the 3072000 bytes"), (BIG * 30, "more than the 3072000")]
)
def test_an_answer_without_end_is_cut(hub: HubServer, small: Path, more: bytes, said: str) -> None:
    grow(small)
    push(small, ADDRESS)
    hub.change = lambda path, content: content + more if path == "report.html" else content
    with pytest.raises(IntegrityError, match=rf"report\.html has {said}"):
        pull(ADDRESS)
    assert not Path("bundles").exists()


def test_a_half_finished_upload_is_refused_by_name(hub: HubServer, small: Path) -> None:
    push(small, ADDRESS)
    files = dict(files_of(hub))
    del files["probes.safetensors"]
    hub.repositories["me/tiny"].commit("main", files)
    with pytest.raises(
        RegistryError, match=r"half-finished upload: it lacks probes\.safetensors; its maker pushes it"
    ):
        pull(ADDRESS)
    hub.repositories["me/tiny"].commit("main", {"README.md": b"hello"})
    with pytest.raises(
        RegistryError, match=r"holds no whole bundle or run of litho: it has no litho-package\.json"
    ):
        pull(ADDRESS)


def test_a_repository_that_ignores_files_is_said(hub: HubServer, small: Path) -> None:
    push(make_run(Path("runs/tiny")), ADDRESS)
    files_of(hub)[".gitignore"] = b"report.html\nprobes.safetensors\n"
    with pytest.raises(
        RegistryError, match=r"lacks probes\.safetensors after the upload; does the repository's \.giti"
    ):
        push(small, ADDRESS)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_lost_connection_continues(hub: HubServer, small: Path, ranges: bool) -> None:
    grow(small)
    push(small, ADDRESS)
    hub.ranges, hub.most_bytes = ranges, 2 << 20
    if ranges:
        assert same_files(pull(ADDRESS).path, small)
        assert hub.sent < 1.2 * len(BIG)
        return
    with pytest.raises(
        RegistryError, match=r"was lost in report\.html after 2\.00 MiB .*; run the same command again"
    ):
        pull(ADDRESS)
    hub.most_bytes = None
    assert same_files(pull(ADDRESS).path, small)


def test_a_run_is_continued_from_where_it_was(hub: HubServer, small: Path) -> None:
    grow(small)
    push(small, ADDRESS)

    class Stopped(BaseException):
        """Like a process that is killed."""

    def stop(step: str, share: float) -> None:
        if "report.html" in step and share > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        pull(ADDRESS, progress=stop)
    assert pull(ADDRESS).received_bytes < 0.6 * len(BIG)


def _refuser(status: int, said: str) -> Callable[[str, str], tuple[int, str]]:
    return lambda method, path: (status, said)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (429, "asks to wait .429, slow down.; run the same"),
        (500, "answers 500, slow down on the try to pull from"),
    ],
)
def test_what_the_hub_says_is_said(hub: HubServer, status: int, said: str) -> None:
    hub.refuse = _refuser(status, "slow down")
    with pytest.raises(RegistryError, match=said):
        pull(ADDRESS)
