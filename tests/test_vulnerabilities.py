from tests.vulnerabilities import ASKED_IN_VAIN, verdict

FINE = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


def test_known_vulnerabilities_fail_and_what_could_not_be_asked_is_said() -> None:
    assert verdict([FINE]) == (0, ["1 packages, 0 known vulnerabilities"])
    assert verdict([FINE, UNKNOWN, FLAWED]) == (
        1,
        ["c: not found", "b 2: CVE-1", "2 packages, 1 known vulnerabilities"],
    )


def test_without_an_answer_it_is_said_that_nothing_is_known() -> None:
    assert verdict([UNKNOWN]) == verdict([]) == (0, [ASKED_IN_VAIN])
