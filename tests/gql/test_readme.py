"""What the README shows is what a new service with the examples answers."""

import json
import re
from pathlib import Path

from tests.servers import Server, printed_secrets

README = Path("README.md").read_text()
STORY = re.compile(r"```graphql\n(.*?)```\s*```json\n(.*?)```", re.DOTALL)
CURL = re.compile(r"-d '(.*?)'\n```\s*```json\n(.*?)```", re.DOTALL)


def test_its_queries_have_the_answers_that_it_shows(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/earlybird.db"
    with Server(store, "--examples", "examples", token=None) as server:
        secrets = printed_secrets(server)
        stories = STORY.findall(README)
        assert len(stories) >= 2
        for query, answer in stories:
            assert server.post(query, token=secrets["owner token"]).data == json.loads(answer)
        ((body, answer),) = CURL.findall(README)
        headers = {"Authorization": f"Bearer {secrets['client SDK key, production']}"}
        assert server.client.post("/graphql", json=json.loads(body), headers=headers).json() == json.loads(answer)
