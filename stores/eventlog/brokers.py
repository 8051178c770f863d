"""Where the Kafka brokers are, and how we and they prove to each other who we are: one value for every client."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import structlog
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from stores.reach import tls_fault

_LOG = structlog.get_logger(__name__)

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

_MEET_WITHIN: Final = 5.0
_QUIET_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """What a broker is told by SASL."""

    mechanism: Mechanism
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Brokers:
    """`host:port`, comma-separated, and what they ask for: TLS where there is a context, a login where there is one."""

    bootstrap: str
    tls: ssl.SSLContext | None = None
    login: Login | None = None

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Each broker's host and port."""
        pairs = (each.strip().rpartition(":") for each in self.bootstrap.split(","))
        return [(host, int(port)) for host, _, port in pairs]

    @property
    def access(self) -> dict[str, Any]:
        """What a connection to any of the brokers is made with."""
        wire = "PLAINTEXT" if self.tls is None else "SSL"
        if self.login is None:
            return {"security_protocol": wire, "ssl_context": self.tls}
        return {
            "security_protocol": f"SASL_{wire}",
            "ssl_context": self.tls,
            "sasl_mechanism": self.login.mechanism,
            "sasl_plain_username": self.login.user,
            "sasl_plain_password": self.login.password,
        }

    @property
    def options(self) -> dict[str, Any]:
        """What every client of aiokafka is made with."""
        return {"bootstrap_servers": self.bootstrap, **self.access}

    async def refusals(self) -> list[str]:
        """Meet each broker, and say of each that does not let us in why, in a line that holds no secret.

        aiokafka's clients keep the reason to themselves: to them a wrong password is a broker that is away.
        """
        told = await asyncio.gather(*(self._refusal(host, port) for host, port in self.addresses))
        return [f"{host}:{port} {why}" for (host, port), why in zip(self.addresses, told, strict=True) if why]

    async def why(self) -> str:
        """Say in one line why nobody lets us in, after a client has found so."""
        return "; ".join(await self.refusals()) or "The brokers let us in, and do not answer."

    async def _refusal(self, host: str, port: int) -> str | None:
        try:
            async with asyncio.timeout(_MEET_WITHIN):
                connection = await create_conn(host, port, **self.access)
                try:
                    # Versions are told to anybody: only what is asked next shows who is let in.
                    await connection.send(MetadataRequest([]))
                finally:
                    connection.close()
        except (KafkaError, OSError) as error:
            return self._reason(error)
        return None

    def _reason(self, error: KafkaError | OSError) -> str:
        if (fault := tls_fault(error)) is not None:
            return fault
        match error:
            case SaslAuthenticationFailed():
                reason = "refuses the user or the password"
            case UnsupportedSaslMechanismError():
                reason = f"does not offer {self.access['sasl_mechanism']}"
            case TimeoutError():
                reason = "does not answer"
            case ConnectionRefusedError():
                reason = "takes no connections"
            case KafkaError() | ConnectionError():
                reason = f"ends the connection: it asks for something else than {self.access['security_protocol']}"
            case _:
                reason = f"cannot be reached: {error.strerror or error}"
        return reason


class Complaints:
    """Writes into the logs why the brokers let nobody in: once a minute, however often it is tried."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._next = 0.0

    async def tell(self) -> None:
        """Find out and write it, unless that was done within the minute."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _QUIET_SECONDS
        _LOG.warning("kafka_not_reachable", brokers=self._brokers.bootstrap, problem=await self._brokers.why())
