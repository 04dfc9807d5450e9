"""Headers of requests, as ASGI gives them: a look-up of Starlette's decodes and catches, a microsecond each."""

from starlette.requests import Request


def header(request: Request, name: bytes) -> str | None:
    """Return the first header of a name, which is in lower case; None if there is none."""
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return None


def header_list(request: Request, name: bytes) -> str:
    """Return all headers of a name, joined to one list."""
    return ",".join(str(value, "latin-1") for key, value in request.scope["headers"] if key == name)
