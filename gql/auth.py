"""Authenticates requests: turns the secret they carry into a principal, and notes its use; authorises nothing."""

from starlette.requests import Request

from domain.access.credentials import hash_secret
from domain.access.principals import ANONYMOUS, Principal
from domain.errors import UnauthenticatedError
from domain.services.snapshots import SnapshotService
from gql.headers import header

BARE_TOKEN_PATHS = ("/api/v2/", "/sdk/")
"""Where the tools that speak to LaunchDarkly may send a token as they do there: without `Bearer`."""


async def authenticate(request: Request, snapshots: SnapshotService) -> Principal:
    """Return who is asking; a request without a secret is anonymous and may only look at the schema.

    Raises:
        UnauthenticatedError: The header is malformed, or the secret unknown.
        UnavailableError: The directory is not loaded yet, and the store cannot be reached.
    """
    authorization = header(request, b"authorization")
    if authorization is None:
        return ANONYMOUS
    scheme, _, secret = authorization.partition(" ")
    if not secret and request.url.path.startswith(BARE_TOKEN_PATHS):
        secret = scheme
    elif scheme.lower() != "bearer" or not secret.strip():
        raise UnauthenticatedError("the header must read: Authorization: Bearer <access token or SDK key>")
    principal = await snapshots.access.principal(hash_secret(secret.strip()))
    if principal is None:
        raise UnauthenticatedError("this access token or SDK key is not known here (any more)")
    if principal.credential is not None:
        snapshots.access.uses.note(principal.credential)
    return principal
