"""The HTTP server on ``rpc.addr``."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from localneard.addresses import Address
from localneard.errors import NodeError
from localneard.rpc import observe, views
from localneard.rpc.envelope import answer
from localneard.rpc.metrics import metrics_text
from localneard.settings import POLL_INTERVAL_S

if TYPE_CHECKING:
    from localneard.node import Node

# A request that the fault `hang` holds is let go after this, should nobody else end it.
MAX_HANG_S = 3600.0
# Three bytes each.
FLOOD_LISTS = 5_000_000
_SHUTDOWN_S = 0.02

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RpcServer:
    """neard's routes and the stand-in's own."""

    def __init__(self, node: "Node") -> None:
        """Prepare; `start` listens."""
        self._node = node
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Listen on what the configuration names. Raises NodeError if a port cannot be had."""
        rpc = self._node.config.rpc
        if rpc is None:
            return
        app = web.Application(client_max_size=rpc.max_body_bytes, middlewares=[self._faults])
        routes = app.router
        routes.add_get("/status", self._status)
        routes.add_get("/health", self._health)
        routes.add_get("/network_info", self._network_info, allow_head=False)
        routes.add_get("/metrics", self._metrics, allow_head=False)
        routes.add_post("/", self._json_rpc)
        if rpc.enable_debug_rpc:
            routes.add_get("/debug/client_config", self._client_config, allow_head=False)
        routes.add_get("/localneard/double_signs", self._double_signs, allow_head=False)
        routes.add_get("/localneard/blocks", self._blocks, allow_head=False)
        routes.add_get("/localneard/state", self._state, allow_head=False)
        routes.add_get("/localneard/accounts", self._accounts, allow_head=False)
        await self._listen(app, rpc.addr, "rpc.addr")
        if rpc.prometheus_addr is not None and rpc.prometheus_addr != rpc.addr:
            only_metrics = web.Application()
            only_metrics.router.add_get("/metrics", self._metrics, allow_head=False)
            await self._listen(only_metrics, rpc.prometheus_addr, "rpc.prometheus_addr")

    async def stop(self) -> None:
        """Stop answering."""
        for runner in self._runners:
            await runner.cleanup()

    async def _listen(self, app: web.Application, address: Address, setting: str) -> None:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as error:
            raise NodeError(
                f"{setting} {address}: cannot listen: {error.strerror}; is another process on this port?"
            ) from None

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        settings = self._node.settings
        settings.refresh()
        # /metrics does not go through the part of neard that can hang.
        if request.path == "/metrics" or request.path.startswith("/localneard/"):
            return await handler(request)
        for _ in range(int(MAX_HANG_S / POLL_INTERVAL_S)):
            if settings.now.rpc != "hang" or request.transport is None:
                break
            await asyncio.sleep(POLL_INTERVAL_S)
        if settings.now.rpc == "garbage":
            return web.Response(body=b"\x00{not json\xff", content_type="application/json")
        if settings.now.rpc == "flood":
            return web.Response(body=b"[" + b"[]," * FLOOD_LISTS + b"[]]", content_type="application/json")
        if settings.now.rpc in ("error503", "hang"):
            return web.Response(status=503)
        return await handler(request)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(views.status(self._node))

    async def _health(self, _: web.Request) -> web.Response:
        healthy = views.health_problem(self._node) is None
        return web.json_response(None) if healthy else web.Response(status=503)

    async def _network_info(self, _: web.Request) -> web.Response:
        return web.json_response(views.network_info(self._node))

    async def _client_config(self, _: web.Request) -> web.Response:
        return web.json_response(views.client_config(self._node))

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=metrics_text(self._node), content_type="text/plain", charset="utf-8")

    async def _json_rpc(self, request: web.Request) -> web.Response:
        status, document = answer(self._node, await request.read())
        return web.json_response(document, status=status)

    async def _double_signs(self, _: web.Request) -> web.Response:
        return web.json_response(observe.double_signs(self._node))

    async def _blocks(self, request: web.Request) -> web.Response:
        found: Any
        try:
            found = observe.blocks(self._node, request.query.get("from"), request.query.get("to"))
        except ValueError:
            return web.json_response({"error": "from and to must be heights"}, status=400)
        return web.json_response(found)

    async def _state(self, _: web.Request) -> web.Response:
        return web.json_response(observe.state(self._node))

    async def _accounts(self, _: web.Request) -> web.Response:
        return web.json_response(observe.accounts(self._node))
