"""The real huggingface_hub against a Hub on loopback, with everything that can go wrong on the way."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants, snapshot_download

from mapsr_cli.errors import CheckpointError, HubError
from mapsr_cli.zoo import bundled_models, find_here, find_model, load_model, transfer
from mapsr_cli.zoo import hub as hub_module
from mapsr_cli.zoo.cache import MODEL_FILE, cache_root, cached_models
from mapsr_cli.zoo.finding import pull
from mapsr_cli.zoo.hub import publish, remove_cached
from mapsr_cli.zoo.names import RepoName
from tests.hub_server import Fault, Hub
from tools.manifest import write_manifest

REPO = "org/tiny"


@pytest.fixture
def data(tiny_model: Path) -> bytes:
    return tiny_model.read_bytes()


def files_in_cache() -> list[Path]:
    return [path for path in cache_root().rglob("*") if path.is_file() and "blobs" in path.parts]


def test_fetched_once_then_found_without_a_request(hub: Hub, data: bytes) -> None:
    commit = hub.add(REPO, {MODEL_FILE: data, "README.md": b"a card"})
    seen: list[tuple[int, int]] = []
    path = find_model(REPO, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == data
    assert path.parent.name == commit
    assert seen[-1] == (len(data), len(data))
    assert load_model(path).card.name == "tiny"
    hub.requests.clear()
    assert find_model(REPO) == find_here(REPO) == find_model(f"{REPO}@{commit}") == path
    assert hub.requests == []


def test_revisions(hub: Hub, data: bytes) -> None:
    first = hub.add(REPO, {MODEL_FILE: data})
    assert pull(REPO).parent.name == first
    second = hub.add(REPO, {"more.txt": b"more"})
    branch = hub.add(REPO, {MODEL_FILE: data}, branch="try/1")
    assert find_model(REPO).parent.name == first, "what is cached is good until a pull"
    assert find_model(f"{REPO}@{second}").parent.name == second
    assert pull(f"{REPO}@try/1").parent.name == branch
    assert pull(REPO).parent.name == second
    assert {str(cached.name) for cached in cached_models()} == {REPO, f"{REPO}@{first}", f"{REPO}@try/1"}


def test_a_repository_that_has_moved(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    hub.moved["old/name"] = REPO
    assert find_model("old/name").read_bytes() == data


def test_private_ones_want_a_token(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, {MODEL_FILE: data}, private=True)
    monkeypatch.setenv("HF_TOKEN", "")
    with pytest.raises(HubError, match="401") as caught:
        find_model(REPO)
    assert "HF_TOKEN" in caught.value.hint


def test_a_snapshot_of_everything(hub: Hub, data: bytes) -> None:
    """The library's own way of fetching (model info, tree, several files), and we find what it fetched."""
    hub.add(REPO, {MODEL_FILE: data, "config.json": b"{}", "samples/a.png": b"png"})
    folder = Path(snapshot_download(REPO))
    assert (folder / "samples" / "a.png").read_bytes() == b"png"
    hub.requests.clear()
    assert find_model(REPO) == folder / MODEL_FILE
    assert hub.requests == []


FAULTS = {
    "401": (Fault(401, "resolve"), "401"),
    "403": (Fault(403, "resolve"), "403"),
    "404": (Fault(404, "resolve"), "404"),
    "429": (Fault(429, "resolve"), "429"),
    "500": (Fault(500, "resolve"), "500"),
    "401 of the file": (Fault(401, "GET /cdn"), "401"),
    "429 of the file": (Fault(429, "GET /cdn"), "429"),
    "503 of the file": (Fault(503, "GET /cdn"), "503"),
    "cut": (Fault("cut", "GET /cdn"), "cannot fetch"),
    "short": (Fault("short", "GET /cdn"), "cannot fetch"),
    "wrong bytes": (Fault("wrong", "GET /cdn"), "another hash"),
    "slow": (Fault("slow", "GET /cdn"), "cannot fetch"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(hub: Hub, data: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, nothing left where it would be used, and the next call succeeds."""
    fault, told = FAULTS[name]
    hub.add(REPO, {MODEL_FILE: data})
    hub.faults.append(fault)
    if fault.kind in ("slow", "short"):
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    with pytest.raises(HubError, match=told) as caught:
        find_model(REPO)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert files_in_cache() == []
    with pytest.raises(CheckpointError, match="not on this machine"):
        find_here(REPO)
    hub.faults.clear()
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", constants.DEFAULT_DOWNLOAD_TIMEOUT)
    assert find_model(REPO).read_bytes() == data


EVIL = "../../../evil"
HOSTILE = {
    "a path for a hash": Fault(("X-Linked-Etag", f'"{EVIL}"'), "HEAD"),
    "an absolute path for a hash": Fault(("X-Linked-Etag", '"/tmp/evil"'), "HEAD"),
    "a hash and a path": Fault(("X-Linked-Etag", f'"{64 * "a"}/{EVIL}"'), "HEAD"),
    "an empty hash": Fault(("X-Linked-Etag", '""'), "HEAD"),
    "another hash": Fault(("X-Linked-Etag", f'"{64 * "a"}"'), "HEAD"),
    "a path for a commit": Fault(("X-Repo-Commit", EVIL), "HEAD"),
    "no commit": Fault(("X-Repo-Commit", ""), "HEAD"),
    "too large": Fault(("X-Linked-Size", str(10**13)), "HEAD"),
    "a size of nothing": Fault(("X-Linked-Size", "0"), "HEAD"),
    "a size that is none": Fault(("X-Linked-Size", "-1"), "HEAD"),
    "smaller than it says": Fault(("X-Linked-Size", "10"), "HEAD"),
    "a local file": Fault(("Location", "file:///etc/passwd"), "HEAD"),
    "no address": Fault(("Location", "http://"), "HEAD"),
    "another protocol": Fault(("Location", "ftp://127.0.0.1/x"), "HEAD"),
    "a login page": Fault("html", "HEAD"),
    "a login page for the file": Fault("html", "GET /cdn"),
    "redirects without end": Fault("loop", "HEAD"),
    "redirects of the file without end": Fault("loop", "GET /cdn"),
    "slow headers": Fault("drip headers", "HEAD"),
    "slow headers of the file": Fault("drip headers", "GET /cdn"),
    "a file without end": Fault("endless", "GET /cdn"),
    "a slow file": Fault("drip", "GET /cdn"),
    "a compressed file": Fault("gzip", "GET /cdn"),
    "other bytes": Fault("wrong", "GET /cdn"),
}


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() or path.is_symlink()}


@pytest.mark.parametrize(
    ("name", "sizes"),
    [(name, True) for name in HOSTILE] + [(name, False) for name in HOSTILE if "GET" in HOSTILE[name].where],
)
def test_a_hostile_hub_writes_nothing_and_holds_nobody(
    hub: Hub, data: bytes, name: str, sizes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not it states the file's size."""
    hub.add(REPO, {MODEL_FILE: data})
    hub.faults.append(replace(HOSTILE[name]))
    hub.sizes = sizes
    before = everything(tmp_path)
    with monkeypatch.context() as patch:
        for module in (transfer, hub_module):
            patch.setattr(module, "PATIENCE", 0.5)
        patch.setattr(hub_module, "LARGEST_UNSTATED", 1 << 20)
        began = time.monotonic()
        with pytest.raises(HubError) as caught:
            find_model(REPO)
        assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert everything(tmp_path) == before
    hub.faults.clear()
    assert find_model(REPO).read_bytes() == data


@pytest.mark.parametrize("name", [name for name in HOSTILE if "HEAD" in HOSTILE[name].where])
def test_a_hub_that_changes_its_answer_is_asked_once(
    hub: Hub, data: bytes, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says later, when its first answer was sound, is not even heard."""
    hub.add(REPO, {MODEL_FILE: data})
    hub.faults.append(replace(HOSTILE[name], after=1))
    assert find_model(REPO).read_bytes() == data
    assert sum("HEAD" in line for line in hub.requests) == 1
    inside = {path for path in everything(tmp_path) if path.is_relative_to(cache_root())}
    assert everything(tmp_path) == inside
    assert {path.parent.name for path in inside} == {"blobs", "refs", hub.repositories[REPO].branches["main"]}


@pytest.mark.parametrize("kind", ["endless", "drip", "html", "wrong"])
def test_explaining_an_error_has_limits_too(hub: Hub, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add("org/other", {"notes.txt": b"nothing"})
    hub.faults.append(Fault(kind, "GET /api"))
    monkeypatch.setattr(hub_module, "_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(HubError, match=r"no model\.safetensors"):
        find_model("org/other")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("endless", "create"),
        ("drip headers", "create"),
        ("drip", "preupload"),
        ("drip", "batch"),
        ("endless", "commit"),
    ],
)
def test_publishing_has_limits_too(
    hub: Hub, data: bytes, kind: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults.append(Fault(kind, where))
    for module in (transfer, hub_module):
        monkeypatch.setattr(module, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(HubError) as caught:
        publish(REPO, {MODEL_FILE: data}, "first", private=False)
    assert time.monotonic() - began < 10
    assert "\n" not in str(caught.value)


def test_a_damaged_blob_is_not_believed(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    blob = find_model(REPO).resolve()
    for damage in (data[:-1] + b"?", b""):
        blob.write_bytes(damage)
        assert pull(REPO).read_bytes() == data


def test_without_symbolic_links(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(path: Path, target: Path) -> None:
        raise OSError("a privilege is not held by the client")

    hub.add(REPO, {MODEL_FILE: data})
    monkeypatch.setattr(Path, "symlink_to", no_links)
    path = find_model(REPO)
    assert not path.is_symlink()
    assert path.read_bytes() == data
    hub.requests.clear()
    assert find_model(REPO) == path
    assert hub.requests == []


def test_cut_once_it_goes_on(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    hub.faults.append(Fault("cut", "GET /cdn", times=1))
    assert find_model(REPO).read_bytes() == data
    assert sum("GET /cdn" in line for line in hub.requests) == 2


def test_cut_it_begins_again_where_ranges_are_unknown(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    hub.faults.append(Fault("cut", "GET /cdn", times=1))
    hub.ranges = False
    assert find_model(REPO).read_bytes() == data


def test_what_is_not_there(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    hub.add("org/pickled", {"pytorch_model.bin": b"\x80\x04."})
    hub.add("org/other", {"notes.txt": b"nothing"})
    with pytest.raises(HubError, match="no such model"):
        find_model("org/nothing")
    with pytest.raises(HubError, match="no revision 'v9'"):
        find_model(f"{REPO}@v9")
    with pytest.raises(HubError, match="pickled"):
        find_model("org/pickled")
    with pytest.raises(HubError, match=r"no model\.safetensors"):
        find_model("org/other")


def test_a_dead_network_says_what_is_here(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    find_model(REPO)
    dead = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", dead)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", dead + "/{repo_id}/resolve/{revision}/{filename}")
    with pytest.raises(HubError, match=dead) as caught:
        find_model("org/another")
    assert caught.value.hint == f"available offline: {', '.join([*bundled_models(), REPO])}"
    assert find_model(REPO).read_bytes() == data


def test_offline(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    find_model(REPO)
    hub.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_model(REPO).read_bytes() == data
    with pytest.raises(HubError, match="HF_HUB_OFFLINE") as caught:
        find_model("org/another")
    assert REPO in caught.value.hint
    assert hub.requests == []


def test_what_was_damaged_in_the_cache_is_fetched_again(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    find_model(REPO).resolve().write_bytes(data[:-1] + b"?")
    assert find_model(REPO).read_bytes() == data


def test_a_model_of_the_manifest_is_pinned(
    hub: Hub, data: bytes, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit and a SHA-256: a Hub that serves something else under that commit is not believed."""
    from mapsr_cli.zoo import finding

    commit = hub.add(REPO, {MODEL_FILE: data})
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "tiny.safetensors").write_bytes(data)
    write_manifest(weights, {"tiny": RepoName(REPO, commit)})
    text = (weights / "manifest.json").read_text().replace('"tiny.safetensors"', "null")
    (weights / "manifest.json").write_text(text)
    monkeypatch.setattr(finding, "weights_folder", lambda: weights)
    assert find_model("tiny").parent.name == commit
    remove_cached(RepoName(REPO))
    other = data[:-1] + bytes([data[-1] ^ 1])
    hub.repositories[REPO].commits[commit] = {MODEL_FILE: other}
    hub.add("org/other", {MODEL_FILE: other})  # so that the storage has it
    with pytest.raises(HubError, match="another hash"):
        find_model("tiny")
    assert files_in_cache() == []


def test_links_that_lead_out_of_the_cache_are_refused(hub: Hub, data: bytes, tmp_path: Path) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    path = find_model(REPO)
    (tmp_path / "elsewhere.safetensors").write_bytes(data)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.safetensors")
    with pytest.raises(CheckpointError, match="out of the cache"):
        find_model(REPO)
    assert list(cached_models()) == []


def test_a_ref_that_is_a_path_is_no_ref(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    path = find_model(REPO)
    (path.parents[2] / "refs" / "main").write_text("../../../../elsewhere")
    assert find_model(REPO) == path, "it was asked for again"
    assert sum("HEAD" in line for line in hub.requests) == 2


def test_removed(hub: Hub, data: bytes) -> None:
    hub.add(REPO, {MODEL_FILE: data})
    hub.add("org/others", {MODEL_FILE: b"\x02\0\0\0\0\0\0\0{}"})
    find_model(REPO)
    snapshot_download("org/others")
    assert remove_cached(RepoName(REPO)) >= len(data)
    for name in (REPO, "org/others", f"{REPO}@v1"):
        with pytest.raises(CheckpointError, match="no model in the cache"):
            remove_cached(RepoName(*name.split("@")))
    assert find_model(REPO).is_file()


def test_published(hub: Hub, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(data)
    files: dict[str, bytes | Path] = {MODEL_FILE: tmp_path / "m.safetensors", "README.md": b"---\nlicense: mit\n---\n"}
    url, commit = publish(REPO, files, "first", private=True)
    assert url == f"{hub.url}/{REPO}/commit/{commit}"
    assert hub.files(REPO) == {MODEL_FILE: data, "README.md": b"---\nlicense: mit\n---\n"}
    assert hub.repositories[REPO].private
    assert find_model(f"{REPO}@{commit}").read_bytes() == data
    assert publish(REPO, files, "again", private=False)[1] == commit, "nothing has changed"


@pytest.mark.parametrize("where", ["create", "preupload", "batch", "PUT", "commit"])
def test_publishing_fails_in_one_line_and_succeeds_again(hub: Hub, data: bytes, where: str) -> None:
    hub.faults.append(Fault(500, where))
    with pytest.raises(HubError, match="500") as caught:
        publish(REPO, {MODEL_FILE: data}, "first", private=False)
    assert "\n" not in str(caught.value)
    hub.faults.clear()
    publish(REPO, {MODEL_FILE: data}, "first", private=False)
    assert hub.files(REPO) == {MODEL_FILE: data}


def test_publishing_without_leave(hub: Hub, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    with pytest.raises(HubError, match="401"):
        publish(REPO, {MODEL_FILE: data}, "first", private=False)
