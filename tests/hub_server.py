"""A Hugging Face Hub on loopback: the endpoints that huggingface_hub calls, and faults on demand.

Repositories live in memory, each commit as a whole tree. Files that the Hub stores by LFS (weights, pictures) are
served by redirection to another path with their SHA-256 as ETag, the others directly with git's hash of them.
"""

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LFS = (".safetensors", ".png", ".bin")
TOKEN = "hf_loopback"


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Repository:
    private: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        tree = self.commits.get(self.branches.get(branch, ""), {}) | files
        name = hashlib.sha1(repr((len(self.commits), sorted(tree.items()))).encode()).hexdigest()
        self.commits[name] = tree
        self.branches[branch] = name
        return name

    def resolve(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.branches.get(revision)


@dataclass
class Fault:
    """What goes wrong, for requests whose `METHOD path` contains `where`: a status, or one of the kinds below."""

    kind: int | str | tuple[str, str]
    """401, 404, 429, 500, …; `cut` (mid-file), `wrong` (other bytes, same length), `short`, `slow`, `endless`, `drip`
    and `drip headers` (a byte now and then), `html`, `gzip`, `loop` (to itself), or a header and its value."""
    where: str
    times: int = 1_000
    """Requests it lasts for."""
    after: int = 0
    """Requests that it lets pass before."""

    def strikes(self, line: str) -> bool:
        if self.where not in line or self.times < 1:
            return False
        self.after -= 1
        self.times -= self.after < 0
        return self.after < 0


@dataclass
class Hub:
    url: str = ""
    storage: str = ""
    """Where large files are: another host, to which no token may go."""
    repositories: dict[str, Repository] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    """Old names of repositories."""
    blobs: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded by LFS, by SHA-256."""
    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    """`METHOD path` of each, in order."""
    slow_seconds: float = 1.0
    ranges: bool = True
    """Whether a part of a file can be had."""
    sizes: bool = True
    """Whether the size of a large file is stated."""
    closed: threading.Event = field(default_factory=threading.Event)

    def add(self, repo: str, files: dict[str, bytes], *, private: bool = False, branch: str = "main") -> str:
        """Put files into a repository; returns the commit."""
        found = self.repositories.setdefault(repo, Repository(private))
        self.blobs |= {sha256(data): data for path, data in files.items() if path.endswith(LFS)}
        return found.commit(files, branch)

    def files(self, repo: str) -> dict[str, bytes]:
        found = self.repositories[repo]
        return found.commits[found.branches["main"]]


class Answer(Exception):  # noqa: N818 (how a handler ends, good or bad)
    def __init__(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 (the names that http.server looks for)

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length)
        line = f"{self.command} {self.path}"
        self.hub.requests.append(line)
        self.fault = next((fault.kind for fault in self.hub.faults if fault.strikes(line)), None)
        with suppress(BrokenPipeError, ConnectionResetError):
            try:
                if isinstance(self.fault, int):
                    raise self._refusal(self.fault)
                if self.fault == "slow":
                    threading.Event().wait(self.hub.slow_seconds)
                if self.fault == "html":
                    raise Answer(200, b"<!DOCTYPE html><title>Log in</title>", {"Content-Type": "text/html"})
                if self.fault == "loop":
                    raise Answer(302, None, {"Location": self.path})
                self._route(urlsplit(self.path).path, parse_qs(urlsplit(self.path).query))
            except Answer as answer:
                self._send(answer)

    def _refusal(self, status: int) -> Answer:
        return Answer(status, {"error": f"made to fail with {status}"}, {"Retry-After": "1"} if status == 429 else {})

    def _send(self, answer: Answer) -> None:
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body or {}).encode()
        cut = self.fault == "cut" and isinstance(answer.body, bytes)
        if self.fault == "wrong" and isinstance(answer.body, bytes):
            data = bytes([data[0] ^ 1]) + data[1:]
        if self.fault == "short" and isinstance(answer.body, bytes):
            data = data[: len(data) // 2]
        if isinstance(self.fault, tuple):
            answer.headers[self.fault[0]] = self.fault[1]
        if self.fault == "gzip":
            data = gzip.compress(bytes(1 << 24))
            answer.headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(data))}
        if self.fault in ("endless", "drip", "drip headers"):
            self._without_end(answer)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(
            data[: len(data) // 2] if cut and "Content-Range" not in answer.headers else b"" if cut else data
        )
        if cut:
            self.wfile.flush()
            self.close_connection = True

    def _without_end(self, answer: Answer) -> None:
        """Send until the other side has had enough: a few pieces at once, or a byte now and then."""
        self.close_connection = True
        lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items() if name != "Content-Length"]
        self.wfile.write("".join([f"HTTP/1.1 {answer.status} OK\r\n", *lines]).encode())
        if self.fault != "drip headers":
            self.wfile.write(b"\r\n")
        piece = bytes(1 << 16) if self.fault == "endless" else b"{"
        while not self.hub.closed.wait(0.0 if self.fault == "endless" else 0.05):
            self.wfile.write(b"X-More: more\r\n" if self.fault == "drip headers" else piece)

    def _route(self, path: str, query: dict[str, list[str]]) -> None:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match (self.command, *parts):
            case ("POST", "api", "validate-yaml"):
                raise Answer(200, {"errors": [], "warnings": []})
            case ("POST", "api", "repos", "create"):
                self._create()
            case ("GET", "api", "models", org, name):
                self._info(f"{org}/{name}", "main", query)
            case ("GET", "api", "models", org, name, "revision", revision):
                self._info(f"{org}/{name}", revision, query)
            case ("GET", "api", "models", org, name, "tree", revision, *_):
                self._tree(f"{org}/{name}", revision)
            case ("POST", "api", "models", org, name, "preupload", revision):
                self._preupload(f"{org}/{name}", revision)
            case ("POST", "api", "models", org, name, "commit", revision):
                self._commit(f"{org}/{name}", revision)
            case ("GET" | "HEAD", org, name, "resolve", revision, *rest):
                self._resolve(f"{org}/{name}", revision, "/".join(rest))
            case ("GET" | "HEAD", "cdn", digest):
                if self.headers.get("Authorization"):
                    raise Answer(400, {"error": "a token has no business here"})
                self._content(self.hub.blobs[digest])
            case ("POST", org, git, "info", "lfs", "objects", "batch") if git.endswith(".git"):
                self._batch(f"{org}/{git.removesuffix('.git')}")
            case ("PUT", "upload", digest):
                self._upload(digest)
            case _:
                raise Answer(404, {"error": "no such endpoint"})

    @property
    def _authorised(self) -> bool:
        return bool(self.headers.get("Authorization") == f"Bearer {TOKEN}")

    def _repository(self, repo: str) -> Repository:
        if repo in self.hub.moved:
            raise Answer(307, None, {"Location": self.path.replace(repo, self.hub.moved[repo], 1)})
        found = self.hub.repositories.get(repo)
        if found is None or (found.private and not self._authorised):
            raise Answer(404 if self._authorised else 401, {"error": "Repository not found"},
                         {"X-Error-Code": "RepoNotFound"})  # fmt: skip
        return found

    def _at(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]]:
        found = self._repository(repo)
        commit = found.resolve(revision)
        if commit is None:
            raise Answer(404, {"error": "Invalid rev"}, {"X-Error-Code": "RevisionNotFound"})
        return commit, found.commits[commit]

    def _info(self, repo: str, revision: str, query: dict[str, list[str]]) -> None:
        commit, tree = self._at(repo, revision)
        siblings: list[dict[str, Any]] = [{"rfilename": path} for path in tree]
        if "blobs" in query:
            siblings = [{"rfilename": entry["path"], "size": entry["size"], "blobId": entry["oid"],
                         **({"lfs": {"sha256": entry["lfs"]["oid"], "size": entry["size"], "pointerSize": 130}}
                            if "lfs" in entry else {})} for entry in self._entries(tree)]  # fmt: skip
        raise Answer(200, {"id": repo, "sha": commit, "siblings": siblings, "tags": [], "private": False})

    def _entries(self, tree: dict[str, bytes]) -> list[dict[str, Any]]:
        return [{"type": "file", "path": path, "size": len(data), "oid": git_hash(data),
                 **({"lfs": {"oid": sha256(data), "size": len(data), "pointerSize": 130}}
                    if path.endswith(LFS) else {})} for path, data in tree.items()]  # fmt: skip

    def _tree(self, repo: str, revision: str) -> None:
        raise Answer(200, self._entries(self._at(repo, revision)[1]))

    def _resolve(self, repo: str, revision: str, path: str) -> None:
        commit, tree = self._at(repo, revision)
        told = {"X-Repo-Commit": commit}
        if path not in tree:
            raise Answer(404, {"error": "Entry not found"}, {**told, "X-Error-Code": "EntryNotFound"})
        data = tree[path]
        if path.endswith(LFS):
            linked = {"X-Linked-Etag": f'"{sha256(data)}"'}
            if self.hub.sizes:
                linked["X-Linked-Size"] = str(len(data))
            raise Answer(302, None, {**told, **linked, "Location": f"{self.hub.storage}/cdn/{sha256(data)}"})
        self._content(data, {**told, "ETag": f'"{git_hash(data)}"'})

    def _content(self, data: bytes, headers: dict[str, str] | None = None) -> None:
        told = {"Accept-Ranges": "bytes", **(headers or {})}
        span = self.headers.get("Range")
        if span is None or not self.hub.ranges:
            raise Answer(200, data, {**told, "Content-Length": str(len(data))})
        start = int(span.removeprefix("bytes=").split("-")[0])
        raise Answer(206, data[start:], {**told, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
                                         "Content-Length": str(len(data) - start)})  # fmt: skip

    def _writable(self) -> None:
        if not self._authorised:
            raise Answer(401, {"error": "Invalid credentials in Authorization header"})

    def _create(self) -> None:
        self._writable()
        asked = json.loads(self.body)
        repo = f"{asked['organization']}/{asked['name']}"
        made = {"url": f"{self.hub.url}/{repo}"}
        if repo in self.hub.repositories:
            raise Answer(409, {"error": "You already created this model repo", **made})
        self.hub.repositories[repo] = Repository(asked.get("visibility") == "private")
        raise Answer(200, made)

    def _preupload(self, repo: str, revision: str) -> None:
        self._writable()
        found = self._repository(repo)
        tree = found.commits.get(found.resolve(revision) or "", {})
        told = []
        for asked in json.loads(self.body)["files"]:
            path = asked["path"]
            lfs = path.endswith(LFS)
            oid = (sha256 if lfs else git_hash)(tree[path]) if path in tree else None
            told.append({"path": path, "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False, "oid": oid})
        raise Answer(200, {"files": told})

    def _batch(self, repo: str) -> None:
        self._writable()
        self._repository(repo)
        objects = []
        for asked in json.loads(self.body)["objects"]:
            upload = {"upload": {"href": f"{self.hub.url}/upload/{asked['oid']}"}}
            objects.append(asked if asked["oid"] in self.hub.blobs else {**asked, "actions": upload})
        raise Answer(200, {"transfer": "basic", "objects": objects})

    def _upload(self, digest: str) -> None:
        if sha256(self.body) != digest:
            raise Answer(400, {"error": "hash mismatch"})
        self.hub.blobs[digest] = self.body
        raise Answer(200)

    def _commit(self, repo: str, revision: str) -> None:
        self._writable()
        found, files = self._repository(repo), {}
        for line in self.body.splitlines():
            key, value = json.loads(line)["key"], json.loads(line)["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        commit = found.commit(files, revision)
        raise Answer(200, {"commitUrl": f"{self.hub.url}/{repo}/commit/{commit}", "commitOid": commit})


@contextmanager
def serve() -> Iterator[Hub]:
    """A Hub that listens on a free port of 127.0.0.1 for as long as the block lasts."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    port = server.server_address[1]
    hub.url, hub.storage = f"http://127.0.0.1:{port}", f"http://localhost:{port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()
