"""What editors know: pyright accepts programs as users write them, and its language server completes dots."""

import doctest
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pyright")
pytestmark = pytest.mark.further

ROOT = Path(__file__).parents[1]
CODE = ROOT / "tests" / "user_code.py"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PROMPT = re.compile(r"^(?P<before>\S.*?)  # \.(?P<name>\w+)$")


def settings(folder, **more):
    """A folder that pyright takes for a project, whose programs import this checkout."""
    (folder / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(ROOT)], "reportUnusedExpression": False, **more})
    )
    return folder


def test_users_code_the_pages_and_the_examples_have_no_type_errors(tmp_path):
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(CODE, tmp_path)
    for i, page in enumerate(PAGES):
        examples = doctest.DocTestParser().get_examples(page.read_text(encoding="utf-8"))
        code = "".join(example.source for example in examples if example.exc_msg is None)
        (tmp_path / f"page_{i}_{page.stem}.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    command += ["-p", str(settings(tmp_path))]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    found = [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1} {each['message']}"
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    ]
    assert found == []
    assert report["summary"]["filesAnalyzed"] == len(list(tmp_path.rglob("*.py")))


class LanguageServer:
    """pyright as editors talk to it: JSON-RPC over the standard streams."""

    def __init__(self, folder):
        command = [sys.executable, "-m", "pyright.langserver", "--stdio"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.asked = 0
        self.ask(
            "initialize",
            processId=None,
            rootUri=folder.as_uri(),
            capabilities={},
            workspaceFolders=[{"uri": folder.as_uri(), "name": "users"}],
        )
        self.send(method="initialized", params={})

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            key, value = line.split(b":")
            length = int(value) if key.lower() == b"content-length" else length
        return json.loads(self.process.stdout.read(length))

    def ask(self, method, **params):
        """The answer to a request. What the server asks meanwhile is answered with null."""
        self.asked += 1
        self.send(id=self.asked, method=method, params=params)
        while True:
            message = self.receive()
            if "method" in message and "id" in message:
                wanted = message["params"].get("items", []) if message["params"] else []
                self.send(id=message["id"], result=[None for _ in wanted])
            elif message.get("id") == self.asked:
                assert "error" not in message, message
                return message["result"]


def test_an_editor_completes_the_next_dot(tmp_path):
    lines = CODE.read_text(encoding="utf-8").splitlines()
    places = {i: match for i, line in enumerate(lines) if (match := PROMPT.match(line))}
    assert len(places) >= 15
    server = LanguageServer(settings(tmp_path))
    document = {"uri": (tmp_path / "program.py").as_uri()}
    server.send(
        method="textDocument/didOpen",
        params={"textDocument": {**document, "languageId": "python", "version": 1, "text": "\n".join(lines)}},
    )
    missing = []
    for version, (i, match) in enumerate(places.items(), start=2):
        typed = [*lines[:i], match["before"] + ".", *lines[i + 1 :]]
        if not re.fullmatch(r"[\w.()\[\], =]+", match["before"]) or " " in match["before"]:
            typed[i] = f"({match['before']})."
        changes = {"contentChanges": [{"text": "\n".join(typed)}]}
        server.send(
            method="textDocument/didChange",
            params={"textDocument": {**document, "version": version}, **changes},
        )
        position = {"line": i, "character": len(typed[i])}
        answer = server.ask("textDocument/completion", textDocument=document, position=position)
        items = answer["items"] if isinstance(answer, dict) else answer or []
        if match["name"] not in {item["label"] for item in items}:
            missing.append(f"{i + 1}: {typed[i]}{match['name']}")
    server.process.kill()
    server.process.communicate()
    assert missing == []
