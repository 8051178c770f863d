"""The settings that browser SDKs fetch before they send anything."""

from typing import Any, Final

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway.collect.request import read_write_key
from gateway.resources import WebRequest, address_of, resources_of

_CORS: Final = Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"], allow_headers=["*"])


async def segment_settings(request: WebRequest) -> Response:
    """Tell Segment's browser SDK to send everything to us and to load nothing else."""
    resources = resources_of(request)
    key = request.path_params["key"]
    await resources.authenticator.write_key(key, request.headers.get("origin"))
    scheme, _, host = address_of(request).partition("://")
    allowed: dict[str, Any] = {"__default": {"enabled": True, "integrations": {}}}
    return JSONResponse(
        {
            "integrations": {
                "Segment.io": {
                    "apiKey": key,
                    "apiHost": f"{host}/v1",
                    "protocol": scheme,
                    "unbundledIntegrations": [],
                    "addBundledMetadata": False,
                    "versionSettings": {"componentTypes": ["browser"]},
                }
            },
            "plan": {"track": allowed, "identify": {"__default": {"enabled": True}}, "group": allowed},
            "edgeFunction": {},
            "middlewareSettings": {},
            "enabledMiddleware": {},
            "metrics": {"sampleRate": 0},
            "remotePlugins": [],
            "legacyVideoPluginsEnabled": False,
            "analyticsNextEnabled": True,
        }
    )


async def rudderstack_config(request: WebRequest) -> Response:
    """Tell RudderStack's browser SDK that its source is enabled and has no destinations of its own."""
    resources = resources_of(request)
    key = await resources.authenticator.write_key(read_write_key(request, None), request.headers.get("origin"))
    quiet = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    return JSONResponse(
        {
            "source": {
                "id": str(key.id),
                "name": key.name,
                "workspaceId": str(key.workspace),
                "enabled": True,
                "config": {"statsCollection": quiet},
                "destinations": [],
                "dataplanes": {},
            }
        }
    )


ROUTES: Final[tuple[BaseRoute, ...]] = (
    Route("/v1/projects/{key}/settings", segment_settings, methods=["GET", "OPTIONS"], middleware=[_CORS]),
    Route("/sourceConfig/", rudderstack_config, methods=["GET", "OPTIONS"], middleware=[_CORS]),
    Route("/sourceConfig", rudderstack_config, methods=["GET", "OPTIONS"], middleware=[_CORS]),
)
