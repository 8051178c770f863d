"""The consent ledger's public face: anyone may keep its signed heads, and hold it to them later."""

from typing import Final
from uuid import UUID

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain.errors import Refused
from gateway.resources import WebRequest, resources_of
from privacy.ledger.checkpoint import Signer
from stores.ledger.heads import read_checkpoint

_CACHED: Final = "public, max-age=5"


class SignedHead(msgspec.Struct, frozen=True, rename="camel"):
    """The answer: the key that signs, as a signed note's verifier key, and the newest head, a C2SP checkpoint."""

    workspace: UUID
    public_key: str
    head: str | None


async def signed_head(request: WebRequest) -> Response:
    """Show a workspace's public key and newest signed head. A head tells the ledger's size and nothing of a person."""
    resources = resources_of(request)
    try:
        id_ = UUID(request.path_params["workspace"])
    except ValueError:
        raise Refused(code="not_found") from None
    workspace = await resources.workspaces.get(id_)
    async with resources.database.workspace(id_) as connection:
        note = await read_checkpoint(connection, id_)
    answer = SignedHead(id_, Signer(id_, workspace.keys.signing_key("ledger")).public_key, note)
    headers = {"Cache-Control": _CACHED, "Access-Control-Allow-Origin": "*"}
    return Response(msgspec.json.encode(answer), headers=headers, media_type="application/json")


ROUTES: Final[tuple[BaseRoute, ...]] = (Route("/.well-known/tagway/ledger/{workspace}", signed_head, methods=["GET"]),)
"""`GET /.well-known/tagway/ledger/{workspace id}`."""
