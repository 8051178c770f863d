"""What the web process holds while it runs, in one typed place."""

from dataclasses import dataclass
from typing import TypedDict

from starlette.requests import HTTPConnection, Request

from domain.clock import Clock
from domain.tracing import Tracer
from gateway.auth import Authenticator
from gateway.collect.collector import Collector
from gateway.collect.entrance import Entrance
from gateway.collect.feed import LiveFeed
from gateway.collect.intake import Intake
from gateway.collect.limit import EventLimit
from gateway.collect.spooling import Spooling
from gateway.collect.tally import Tally
from gateway.graphql.app import GraphQLApp
from gateway.losses import Losses
from gateway.metrics import Metrics
from gateway.settings import Settings
from gateway.sites import Sites
from gateway.streams import Streams
from gateway.warming import Warming
from gateway.workspace import Workspaces
from learning.recommender import Recommender
from stores.eventlog.port import EventLog
from stores.postgres import Database
from stores.redis import Redis


@dataclass(frozen=True, slots=True)
class Resources:
    """Made by `wiring.open_resources`, closed by it, and seen by every route as `request.state["resources"]`."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    log: EventLog
    workspaces: Workspaces
    sites: Sites
    authenticator: Authenticator
    losses: Losses
    collector: Collector
    intake: Intake
    limit: EventLimit
    tally: Tally
    entrance: Entrance
    streams: Streams
    spooling: Spooling | None
    feed: LiveFeed
    recommender: Recommender
    warming: Warming
    metrics: Metrics
    graphql: GraphQLApp
    tracer: Tracer


class State(TypedDict):
    """What the app's lifespan gives to each request."""

    resources: Resources


WebRequest = Request[State]


def resources_of(request: HTTPConnection[State]) -> Resources:
    """Give a route the process's resources."""
    return request.state["resources"]


def address_of(request: WebRequest) -> str:
    """Tell where browsers reach us, without a slash at the end: as set, else as this request came in."""
    set_address = resources_of(request).settings.public_url
    return (set_address or str(request.base_url)).rstrip("/")
