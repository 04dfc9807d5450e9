"""JSON as the model holds it."""

import json

from hypothesis import example, given

from domain.json import Json, same_json
from tests.strategies import JSON


@given(left=JSON, right=JSON)
@example(left=True, right=1)
@example(left=1, right=1.0)
@example(left=0.0, right=-0.0)
@example(left="1", right=1)
@example(left=None, right=False)
@example(left=[1], right=[True])
def test_two_values_are_the_same_if_their_texts_are(left: Json, right: Json) -> None:
    texts = [json.dumps(value, sort_keys=True) for value in (left, right)]
    assert same_json(left, right) == (texts[0] == texts[1])
    assert same_json(left, json.loads(texts[0]))
