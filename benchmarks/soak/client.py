"""Asks the service under soak, and counts what it answers."""

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Self

import httpx

TIMEOUT_SECONDS = 60
MOST_FAULTS = 20
PLACE = {"project": "default", "environment": "production"}


class RefusedError(Exception):
    """The service answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(slots=True)
class Tally:
    """What happened, counted by all threads; a fault is what must not happen."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def count(self, kind: str) -> None:
        """Count something that was done."""
        with self._lock:
            self.done[kind] += 1

    def refuse(self, kind: str, error: RefusedError) -> None:
        """Count something that was refused for a good reason."""
        with self._lock:
            self.refused[f"{kind}: {error.code}"] += 1

    def fault(self, message: str) -> None:
        """Take down what must not happen."""
        with self._lock:
            if len(self.faults) < MOST_FAULTS or message in self.faults:
                self.faults[message] += 1


class Api:
    """Asks one service as the holder of a secret, on a connection of its own."""

    def __init__(self, port: int, secret: str) -> None:
        headers = {"Authorization": f"Bearer {secret}"}
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is
        """Run an operation; return its data.

        Raises:
            RefusedError: It was answered with an error.
        """
        answer = self.send("POST", "/graphql", json={"query": query, "variables": variables}).json()
        for error in answer.get("errors", ()):
            raise RefusedError(error["extensions"]["code"], error["message"])
        data: dict[str, Any] = answer["data"]
        return data

    def send(self, method: str, url: str, **content: Any) -> httpx.Response:  # noqa: ANN401 - what httpx takes
        """Send a request; return a good answer.

        Raises:
            RefusedError: It was answered with another status, or not at all.
        """
        try:
            response = self._client.request(method, url, **content)
        except httpx.TransportError as error:
            raise RefusedError(type(error).__name__, str(error)) from error
        if response.is_error:
            raise RefusedError(f"HTTP {response.status_code}", response.text[:200])
        return response

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
