"""A stand-in for the Hugging Face Hub on this machine: what its client asks for, and no more.

Models have immutable commits, private ones are shown to their owner alone, and large files go by
Git LFS. There is no Xet.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
import yaml

LARGE = (".safetensors", ".onnx")  # endings of files that go by LFS
# Accounts by token; the second may only read.
ANN, READER, BEN = "hf_ann", "hf_ann_reads", "hf_ben"
OWNERS = {ANN: "ann", READER: "ann", BEN: "ben"}


@dataclass
class Commit:
    message: str
    files: dict[str, bytes]
    parent: str = ""

    @property
    def sha(self) -> str:
        facts = [self.message, self.parent, sorted((k, sha256(v)) for k, v in self.files.items())]
        return hashlib.sha1(json.dumps(facts).encode()).hexdigest()


@dataclass
class Repository:
    private: bool
    commits: dict[str, Commit] = field(default_factory=dict)  # by sha, the newest last

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.head].files

    def add(self, message: str, files: Mapping[str, bytes]) -> str:
        commit = Commit(message, dict(files), self.head if self.commits else "")
        self.commits[commit.sha] = commit
        return commit.sha


@dataclass
class Hub:
    """`fail`: the status that a request gets whose path has this text in it."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    fail: dict[str, int] = field(default_factory=dict)

    def add(self, repo: str, files: Mapping[str, bytes], private: bool = False) -> str:
        """A model with one commit, which is returned."""
        self.repositories[repo] = Repository(private)
        return self.repositories[repo].add("by hand", files)

    def environment(self, home: Path, token: str = "") -> dict[str, str]:
        """What a process needs to ask this hub."""
        return {
            "HF_ENDPOINT": self.address,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": token,
        }


class RefusedError(Exception):
    """A request that gets this status in place of what it asked for."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    hub: Hub  # of the subclass that a server has

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            for part, status in self.hub.fail.items():
                if part in path:
                    raise RefusedError(status, message="it is a bad day")
            self._route(path, body)
        except RefusedError as refused:
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self._send(refused.status, json.dumps({"error": refused.message}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers or {})).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _route(self, path: str, body: bytes) -> None:
        words = path.strip("/").split("/")
        match words:
            case [""]:
                self._send(200, b"the hub")
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                yaml.safe_load(json.loads(body)["content"].split("---\n")[1])
                self._send_json({"errors": [], "warnings": [{"message": "it could be longer"}]})
            case ["api", "models", owner, name]:
                self._tell(f"{owner}/{name}", "main")
            case ["api", "models", owner, name, "revision", revision]:
                self._tell(f"{owner}/{name}", revision)
            case ["api", "models", owner, name, "preupload", "main"]:
                self._preupload(self._written(f"{owner}/{name}"), json.loads(body))
            case ["api", "models", owner, name, "commit", "main"]:
                self._commit(f"{owner}/{name}", body)
            case [owner, name, "info", "lfs", "objects", "batch"]:
                self._written(f"{owner}/{name.removesuffix('.git')}")
                self._batch(json.loads(body))
            case ["objects", oid]:
                assert sha256(body) == oid
                self.hub.objects[oid] = body
                self._send(200, b"")
            case [owner, name, "resolve", revision, *parts]:
                self._resolve(f"{owner}/{name}", revision, "/".join(parts))
            case ["cdn", owner, name, revision, *parts]:
                assert "Authorization" not in self.headers, "it is another host"
                commit = self.hub.repositories[f"{owner}/{name}"].commits[revision]
                self._send(200, commit.files["/".join(parts)])
            case _:
                raise RefusedError(404, message="no such page")

    def _owner(self) -> tuple[str, str]:
        """The account that asks, and its token; '' for nobody."""
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in OWNERS:
            raise RefusedError(401, message="Invalid credentials in Authorization header")
        return OWNERS.get(token, ""), token

    def _shown(self, repo: str) -> Repository:
        owner, token = self._owner()
        found = self.hub.repositories.get(repo)
        if found is None or (found.private and owner != repo.partition("/")[0]):
            raise RefusedError(404 if token else 401, "RepoNotFound", "Repository not found")
        return found

    def _written(self, repo: str) -> Repository:
        found, (owner, token) = self._shown(repo), self._owner()
        if token == READER or owner != repo.partition("/")[0]:
            raise RefusedError(403, message="You need write access")
        return found

    def _at(self, repo: str, revision: str) -> tuple[Repository, str]:
        found = self._shown(repo)
        sha = found.head if revision == "main" else revision
        if sha not in found.commits:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return found, sha

    def _create(self, asked: dict[str, Any]) -> None:
        owner, token = self._owner()
        if not owner or token == READER or asked["organization"] != owner:
            raise RefusedError(
                403, message=f"You may not create a model of {asked['organization']}"
            )
        repo = f"{owner}/{asked['name']}"
        if repo in self.hub.repositories:
            raise RefusedError(409, message="You already created this model repo")
        attributes = b"*.onnx filter=lfs\n*.safetensors filter=lfs\n"
        self.hub.repositories[repo] = Repository(asked["visibility"] == "private")
        self.hub.repositories[repo].add("initial commit", {".gitattributes": attributes})
        self._send_json({"url": f"{self.hub.address}/{repo}"})

    def _tell(self, repo: str, revision: str) -> None:
        found, sha = self._at(repo, revision)
        files = [{"rfilename": name} for name in found.commits[sha].files]
        self._send_json({"id": repo, "sha": sha, "private": found.private, "siblings": files})

    def _preupload(self, found: Repository, asked: dict[str, Any]) -> None:
        files = []
        for each in asked["files"]:
            name, large = each["path"], each["path"].endswith(LARGE)
            facts = {"path": name, "uploadMode": "lfs" if large else "regular"}
            if name in found.files:
                facts["oid"] = (sha256 if large else blob_id)(found.files[name])
            files.append(facts | {"shouldIgnore": False})
        self._send_json({"files": files})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for each in asked["objects"]:
            href = f"{self.hub.address}/objects/{each['oid']}"
            known = each["oid"] in self.hub.objects
            objects.append(each | ({} if known else {"actions": {"upload": {"href": href}}}))
        self._send_json({"transfer": "basic", "objects": objects})

    def _commit(self, repo: str, body: bytes) -> None:
        found = self._written(repo)
        header, *changes = (json.loads(line) for line in body.splitlines())
        if header["value"].get("parentCommit", found.head) != found.head:
            raise RefusedError(412, message="A commit has happened since")
        files = dict(found.files)
        for change in changes:
            value = change["value"]
            if change["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif change["key"] == "lfsFile":
                files[value["path"]] = self.hub.objects[value["oid"]]
            else:
                assert change["key"] == "deletedFile"
                del files[value["path"]]
        sha = found.add(header["value"]["summary"], files)
        self._send_json({"commitUrl": f"{self.hub.address}/{repo}/commit/{sha}", "commitOid": sha})

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        found, sha = self._at(repo, revision)
        files = found.commits[sha].files
        if name not in files:
            raise RefusedError(404, "EntryNotFound", "Entry not found")
        headers = {"X-Repo-Commit": sha, "ETag": f'"{blob_id(files[name])}"'}
        if PurePosixPath(name).suffix not in LARGE:
            self._send(200, files[name], headers)
            return
        headers |= {"X-Linked-Etag": f'"{sha256(files[name])}"'}
        headers |= {"X-Linked-Size": str(len(files[name]))}
        elsewhere = self.hub.address.replace("127.0.0.1", "localhost")
        headers |= {"Location": f"{elsewhere}/cdn/{repo}/{sha}/{name}"}
        self._send(302, b"", headers)


@contextmanager
def open_hub() -> Iterator[Hub]:
    """A hub without models, at an address of its own."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfHub", (Handler,), {"hub": hub}))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def connect(hub: Hub, patch: pytest.MonkeyPatch, nowhere: Path) -> None:
    """Let the client in this process, which reads its settings as it is imported, ask this hub.

    `nowhere` is in place of the file with the user's token.
    """
    constants = huggingface_hub.constants
    patch.setattr(constants, "ENDPOINT", hub.address)
    template = f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_TOKEN_PATH", str(nowhere))
    log_in(patch, "")


def log_in(patch: pytest.MonkeyPatch, token: str) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE"):
        patch.delenv(name, raising=False)
    if token:
        patch.setenv("HF_TOKEN", token)
