"""A stand-in for the gateway: it speaks the schema over HTTP and WebSocket, and says what a test makes it say."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from pathlib import Path
from typing import Any

import pytest_asyncio
import uvicorn
from graphql import ExecutionResult, GraphQLError, GraphQLSchema, build_schema, graphql, parse, subscribe, validate
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

import resolvers.schema
from console import files
from tag_sdk.files import part_source, site_tag
from tests.patience import AT_ALL

SECRET_KEY = "sk_test"
WRITE_KEY = "wk_test"
NOW = "2026-03-01T12:00:00Z"
# Stricter than needed for the console alone: nothing inline, nothing from elsewhere.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"


def load_schema() -> GraphQLSchema:
    """Build the gateway's own schema without its resolvers, so that no question here can be one it would refuse."""
    return build_schema(resolvers.schema.build_schema().as_str())


@dataclass
class Standin:
    """What the gateway knows (change it freely) and what it was asked."""

    url: str = ""
    count_threshold: int | None = None
    segments: list[dict[str, Any]] = field(default_factory=list)
    profiles: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    matches: list[dict[str, Any]] = field(default_factory=list)
    merged: list[tuple[str, str]] = field(default_factory=list)
    picks: list[str] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    streams: dict[str, list[asyncio.Queue[dict[str, Any]]]] = field(default_factory=dict)
    sockets: set[WebSocket] = field(default_factory=set)
    happened: asyncio.Condition = field(default_factory=asyncio.Condition)
    schema: GraphQLSchema = field(default_factory=load_schema)

    @property
    def names(self) -> list[str]:
        """The names of the events collected so far."""
        return [event.get("event", event["type"]) for event in self.events]

    async def until(self, reached: Callable[["Standin"], object]) -> None:
        """Wait until what was collected and subscribed to satisfies `reached`."""
        async with asyncio.timeout(AT_ALL), self.happened:
            await self.happened.wait_for(lambda: reached(self))

    async def _happen(self) -> None:
        async with self.happened:
            self.happened.notify_all()

    def push(self, name: str, item: dict[str, Any]) -> None:
        """Send one payload to all who are subscribed to `name`."""
        for queue in self.streams.get(name, []):
            queue.put_nowait({name: item})

    def feed(self, **item: Any) -> None:
        event = {"at": NOW, "messageId": "m", "type": "TRACK", "name": "", "outcome": "ACCEPTED", "reason": None}
        self.push("eventFeed", event | {"profileId": None} | item)

    def change(self, kind: str, key: str | None = None, profile: str | None = None) -> None:
        change = {"cursor": kind, "at": NOW, "kind": kind, "profileId": profile, "segmentKey": key, "cause": None}
        self.push("segmentChanges", change)

    # The roots of the schema: graphql-core calls them by their names.
    def viewer(self, _info: Any) -> dict[str, Any]:
        return {
            "workspace": "demo",
            "scopes": ["profiles:read"],
            "endUser": False,
            "countThreshold": self.count_threshold,
        }

    def _segments(self, _info: Any, **_page: Any) -> dict[str, Any]:
        edges = [{"node": segment} for segment in self.segments]
        return {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": None}}

    def _profiles(self, _info: Any, **_page: Any) -> dict[str, Any]:
        return {"edges": [{"node": profile} for profile in self.profiles]}

    def _profile(self, _info: Any, by: dict[str, str] | None = None) -> dict[str, Any] | None:
        if by is None:
            return {"recommendations": lambda _info, **which: self._picks(which["filter"]["exclude"])}
        (value,) = by.values()
        return next((profile for profile in self.profiles if value in profile["ids"]), None)

    def _picks(self, exclude: list[str]) -> dict[str, Any]:
        kept = [id_ for id_ in self.picks if id_ not in exclude]
        nodes = [
            {"position": place, "item": {"productId": id_}, "reason": {"text": f"Pick {place}"}}
            for place, id_ in enumerate(kept, 1)
        ]
        return {"listId": "list-1", "personalized": True, "nodes": nodes}

    def _save(self, _info: Any, **arguments: Any) -> dict[str, Any]:
        given = arguments["input"]
        if given["key"] == "taken":
            problem = {"code": "taken", "message": "There is a segment with this key.", "path": ["key"]}
            return {"__typename": "InvalidInput"} | problem
        segment = new_segment(given["key"], given["name"], given["definition"])
        self.segments.append(segment)
        return {"__typename": "SegmentPayload", "segment": segment}

    def _delete(self, _info: Any, **arguments: Any) -> dict[str, Any]:
        key = arguments["input"]["key"]
        self.segments = [segment for segment in self.segments if segment["key"] != key]
        return {"__typename": "SegmentPayload", "segment": new_segment(key, "", {})}

    def _accept(self, _info: Any, **arguments: Any) -> dict[str, Any]:
        given = arguments["input"]
        if given["reason"] == "too soon":
            return {"__typename": "InvalidInput", "code": "conflict", "message": "More than 50 subjects.", "path": []}
        self.merged.append((given["id"], given["reason"]))
        return {"__typename": "IdentityPayload", "profile": {"id": self._decided(given["id"])["profileId"]}}

    def _reject(self, _info: Any, **arguments: Any) -> dict[str, Any]:
        return {"__typename": "RejectMatchPayload", "candidate": self._decided(arguments["input"]["id"])}

    def _decided(self, id_: str) -> dict[str, Any]:
        (found,) = (match for match in self.matches if match["id"] == id_)
        self.matches.remove(found)
        return found

    async def _stream(self, name: str) -> AsyncIterator[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        streams = self.streams.setdefault(name, [])
        streams.append(queue)
        await self._happen()
        try:
            while True:
                yield await queue.get()
        finally:
            streams.remove(queue)

    def roots(self) -> dict[str, Any]:
        return {
            "viewer": self.viewer,
            "segments": self._segments,
            "profiles": self._profiles,
            "profile": self._profile,
            "saveSegment": self._save,
            "deleteSegment": self._delete,
            "segmentTemplates": lambda _info: self.templates,
            "matchCandidates": lambda _info, **_which: self.matches,
            "acceptMatch": self._accept,
            "rejectMatch": self._reject,
            "eventFeed": lambda _info: self._stream("eventFeed"),
            "segmentChanges": lambda _info, **_which: self._stream("segmentChanges"),
        }

    async def answer(self, request: Request) -> Response:
        asked = await request.json()
        if request.headers.get("authorization") not in {f"Bearer {SECRET_KEY}", "Bearer visitor"}:
            return JSONResponse({"code": "invalid_key", "message": "This key is not known."}, 401)
        result = await graphql(self.schema, asked["query"], self.roots(), variable_values=asked.get("variables"))
        return JSONResponse(result.formatted)

    async def converse(self, socket: WebSocket) -> None:
        await socket.accept("graphql-transport-ws")
        self.sockets.add(socket)
        running: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                said = json.loads(await socket.receive_text())
                if said["type"] == "connection_init":
                    if said["payload"]["token"] not in {SECRET_KEY, "visitor"}:
                        return await socket.close(4403)
                    await socket.send_json({"type": "connection_ack"})
                elif said["type"] == "subscribe":
                    running[said["id"]] = asyncio.create_task(self._tell(socket, said["id"], said["payload"]))
                elif said["type"] == "complete":
                    running.pop(said["id"]).cancel()
        except WebSocketDisconnect:
            pass
        finally:
            self.sockets.discard(socket)
            for task in running.values():
                task.cancel()

    async def _tell(self, socket: WebSocket, id_: str, asked: dict[str, Any]) -> None:
        document = parse(asked["query"])
        told = validate(self.schema, document) or subscribe(
            self.schema, document, self.roots(), variable_values=asked.get("variables")
        )
        if isawaitable(told):
            told = await told
        if isinstance(told, list | ExecutionResult):
            errors: list[GraphQLError] = told if isinstance(told, list) else told.errors or []
            await socket.send_json({"id": id_, "type": "error", "payload": [each.formatted for each in errors]})
            return
        async for result in told:
            await socket.send_json({"id": id_, "type": "next", "payload": result.formatted})

    async def collect(self, request: Request) -> Response:
        batch = json.loads(await request.body())["batch"]
        self.events += batch
        await self._happen()
        for event in batch:
            self.feed(type=event["type"].upper(), name=event.get("event", ""), profileId="UHJvZmlsZTp2aXNpdG9y")
        views = [event for event in self.events if event.get("event") == "product_view"]
        if len(views) >= 3 and any(view in batch for view in views[2:3]):
            self.change("ENTERED", "keen_looker", "visitor")
        return JSONResponse({"success": True, "results": []})


def new_segment(key: str, name: str, definition: dict[str, Any], size: int | None = 0) -> dict[str, Any]:
    fixed = {"id": f"s_{key}", "version": 1, "status": "LIVE", "error": None, "text": None, "updatedAt": NOW}
    return {"key": key, "name": name, "definition": definition, "size": size} | fixed


def application(standin: Standin) -> Starlette:
    def page(path: Path) -> FileResponse:
        return FileResponse(path, headers={"Content-Security-Policy": POLICY})

    async def console_page(_request: Request) -> Response:
        return page(files.console_page())

    async def demo_page(_request: Request) -> Response:
        return page(files.demo_page())

    async def settings(_request: Request) -> Response:
        return JSONResponse({"writeKey": WRITE_KEY})

    async def token(request: Request) -> Response:
        assert (await request.json())["anonymousId"]
        return JSONResponse({"token": "visitor"})

    async def tag(_request: Request) -> Response:
        return Response(site_tag({"host": standin.url, "writeKey": WRITE_KEY}), media_type="text/javascript")

    async def part(request: Request) -> Response:
        return Response(part_source(f"extras/{request.path_params['name']}"), media_type="text/javascript")

    return Starlette(
        routes=[
            Route("/", console_page),
            Mount("/console/static", StaticFiles(directory=files.console_static())),
            Mount("/demo/static", StaticFiles(directory=files.demo_static())),
            Route("/demo/settings.json", settings),
            Route("/demo/token", token, methods=["POST"]),
            Route("/demo", demo_page),
            Route("/demo/{path:path}", demo_page),
            Route(f"/tag/{WRITE_KEY}.js", tag),
            Route("/tag/extras/{name}.js", part),
            Route("/v1/batch", standin.collect, methods=["POST"]),
            Route("/graphql", standin.answer, methods=["POST"]),
            WebSocketRoute("/graphql", standin.converse),
        ]
    )


@pytest_asyncio.fixture
async def standin() -> AsyncIterator[Standin]:
    served = Standin()
    listener = socket.create_server(("127.0.0.1", 0))
    served.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(application(served), log_level="warning", ws="websockets-sansio", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield served
    server.should_exit = True
    server.force_exit = True
    await serving
    listener.close()
