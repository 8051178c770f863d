"""Who asks over GraphQL, and the session that is theirs."""

from dataclasses import dataclass

import uuid_utils
from starlette.types import Scope

from domain.errors import Refused
from gateway.auth import Authenticator
from gateway.streams import Place, whose
from gateway.workspace import Workspaces
from resolvers.caller import Caller
from resolvers.context import Services, Session


@dataclass(slots=True)
class SocketSession(Session):
    """What is known of a socket, and the place that it holds."""

    place: Place | None = None


class Callers:
    """Opens sessions. All methods that find a caller raise `Refused` and `StoreUnavailable`."""

    def __init__(self, services: Services, authenticator: Authenticator, workspaces: Workspaces) -> None:
        self._services = services
        self._authenticator = authenticator
        self._workspaces = workspaces

    async def find(self, token: str) -> Caller:
        """Tell who a secret key or end-user token speaks for."""
        principal = await self._authenticator.token(token)
        return Caller(principal, (await self._workspaces.get(principal.workspace)).keys)

    async def session(self, scope: Scope, token: str) -> Session:
        """Give a request's session, the same one each time. Without a token it is nobody's, in development only."""
        known: Session | None = scope.get("tagway.session")
        if known is None:
            known = Session(self._services, scope.get("tagway.request_id") or str(uuid_utils.uuid7()))
            if token:
                known.caller = await self.find(token)
            elif not self._services.development:
                raise Refused(code="missing_key")
            scope["tagway.session"] = known
        return known

    def of_socket(self, place: Place) -> SocketSession:
        """Open the session of a socket, whose caller is known once it has said so."""
        return SocketSession(self._services, str(uuid_utils.uuid7()), place=place)

    async def enter(self, session: Session, token: str) -> None:
        """Note who opened a socket, and whose its place is."""
        session.caller = await self.find(token)
        if isinstance(session, SocketSession) and session.place:
            session.place.belong(whose(session.caller.principal))
