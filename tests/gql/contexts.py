"""What resolvers see of a request, without one."""

from typing import Any, cast

from starlette.requests import Request

from domain.access.credentials import Credential, CredentialKind
from domain.access.principals import OPERATOR, Principal
from domain.services.evaluation import Basis, Caller
from gql.context import RequestContext


def a_context(credential: str = "", edition: str = "", basis: Basis | None = None) -> RequestContext:
    token = Credential(id=credential, kind=CredentialKind.ACCESS_TOKEN, name="owner")
    principal = Principal(actor="token/owner", credential=token)
    caller = Caller(principal, 1, basis)
    return RequestContext(caller, edition, cast("Any", None), cast("Any", None))


async def ada(request: Request) -> RequestContext:
    return RequestContext(Caller(OPERATOR, 1), "", cast("Any", None), request)
