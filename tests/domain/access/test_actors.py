"""Who did something is named to whoever may view him."""

from domain.access.actors import seen_actors
from domain.access.directory import AccessDirectory
from domain.access.principals import Principal
from tests.domain.access.builders import a_policy, allow, rights_of


def test_a_member_who_is_gone_is_viewed_by_his_email_folded() -> None:
    policy = a_policy(allow("member/Groß@x.example", actions=["viewMember"]))
    auditor = Principal(actor="token/auditor", rights=(rights_of(policy),))
    seen = seen_actors(["member/groß@x.example", "member/ann@x.example"], auditor, AccessDirectory())
    assert seen == {"member/groß@x.example": "member/groß@x.example", "member/ann@x.example": "member"}
