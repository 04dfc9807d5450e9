"""Starts the service as a user does: a process of its own, on a free port, stopped by its pid."""

import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

ROOT = Path(__file__).parent.parent
START_SECONDS = 60.0
TOKEN = "a-token-for-the-tests"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@dataclass
class Answer:
    """A GraphQL answer, unpacked."""

    response: httpx.Response
    data: dict[str, Any] | None = field(init=False)
    errors: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        body = self.response.json()
        self.data = body.get("data")
        self.errors = body.get("errors", [])

    def __getitem__(self, name: str) -> Any:
        assert not self.errors, self.errors
        assert self.data is not None
        return self.data[name]

    @property
    def code(self) -> str:
        """The only error's code."""
        assert len(self.errors) == 1, self.errors
        code: str = self.errors[0]["extensions"]["code"]
        return code


class Server:
    """The service in a process of its own."""

    def __init__(self, store: str, *arguments: str, token: str | None = TOKEN, **settings: str) -> None:
        self.store = store
        self.arguments = arguments
        self.port = free_port()
        self.token = token
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("EARLYBIRD_")},
            **({"EARLYBIRD_BOOTSTRAP_TOKEN": token} if token else {}),
            **{f"EARLYBIRD_{name.upper()}": value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[str] | None = None
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on exit
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30)

    def launch(self) -> None:
        """Start it without waiting for anything."""
        command = [sys.executable, "-m", "gql", "serve", "--port", str(self.port), "--store", self.store]
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *self.arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        self.launch()
        return self.wait_until_ready()

    def wait_until_ready(self) -> Self:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                if self.client.get("/readyz").status_code == httpx.codes.OK:
                    return self
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.output()
            time.sleep(0.05)
        self.kill()
        raise AssertionError(self.output())

    def stop(self) -> int:
        """End it as an operator does; return its status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=20)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=20)

    def output(self) -> str:
        """Read all that it has printed, since its first start."""
        self.log.seek(0)
        return self.log.read()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=20)
        self.log.close()
        self.client.close()

    def post(self, query: str, *, token: str | None = None, **variables: Any) -> Answer:
        """Run an operation as `token`; the owner by default, nobody for an empty one."""
        secret = self.token if token is None else token
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        body = {"query": query, "variables": variables}
        return Answer(self.client.post("/graphql", json=body, headers=headers))

    def import_flags(
        self,
        data: dict[str, Any],
        *,
        project: str = "default",
        environment: str = "production",
        mode: str = "REPLACE",
        acknowledge_removal: bool = True,
        **options: Any,
    ) -> Answer:
        query = """mutation ($input: ImportFlagDataInput!) { importFlagData(input: $input) {
            revision counts { created updated unchanged deleted } items { kind key outcome notes } } }"""
        ref = {"project": project, "environment": environment}
        wanted = {"environment": ref, "data": data, "mode": mode, "acknowledgeRemoval": acknowledge_removal}
        return self.post(query, input=wanted, **options)

    def evaluate(self, flag_key: str, context: Any, **variables: Any) -> Answer:
        query = """query ($e: EnvironmentRef, $f: String!, $c: JSON!, $d: JSON) {
            evaluate(environment: $e, flagKey: $f, context: $c, default: $d) { flagKey value variationIndex
            reason { kind ruleIndex ruleId prerequisiteKey inExperiment errorKind bigSegmentsStatus } } }"""
        ref = {"project": "default", "environment": "production"}
        return self.post(query, **{"e": ref, **variables}, f=flag_key, c=context)


def printed_secrets(server: Server) -> dict[str, str]:
    """Read the secrets that a new service prints, by their names."""
    return dict(re.findall(r"^  (\S.*?) {2,}(eb_\S+)$", server.output(), re.MULTILINE))
