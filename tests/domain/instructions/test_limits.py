import pytest

from domain.instructions.limits import text_violations


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u2066", "\u2069", "\ufeff", "\u2028", "\u00ad"])
def test_a_name_holds_nothing_that_cannot_be_seen(character: str) -> None:
    [violation] = text_violations(f"pay{character}ment", ("name",))
    assert str(violation) == f"name: holds the invisible character U+{ord(character):04X}"


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d👩\u200d👧",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u05e9\u05dc\u05d5\u05dd\u200f!",
        "naïve",
    ],
)
def test_joiners_and_marks_that_scripts_and_emoji_need_may_stand_in_a_name(name: str) -> None:
    assert text_violations(name, ("name",)) == []
