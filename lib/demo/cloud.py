"""The cloud's front: from an HTTP request to an envelope, faults included.

Belongs here: routing, the order of checks, envelopes, spoiled connections. Does not belong
here: signatures (access), pages (logs), devices (registry).
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lib.demo.access import TOKEN_PATH, Gate, Tokens, parameters
from lib.demo.faults import REFUSALS, TRANSPORT, Faults
from lib.demo.house import House
from lib.demo.logs import Logs
from lib.demo.registry import Registry
from lib.demo.state import Answer, Call, Clock, Counters, Refusal

_ID = "([A-Za-z0-9-]+)"
_HTML = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
_NO_PATH = Refusal(1108, "uri path invalid")

Handler = Callable[..., Answer]


class CloudApp:
    """Everything behind the connection: one house, its clock, its tokens and its faults."""

    def __init__(
        self,
        house: House,
        clock: Clock,
        *,
        access_id: str,
        access_secret: str,
        retention_days: float,
        page_limit: int,
    ) -> None:
        self.clock, self.counters, self.faults = clock, Counters(), Faults()
        self.tokens = Tokens(lambda: clock.signing_ms() / 1000)
        self.closing = asyncio.Event()
        self._gate = Gate(access_id, access_secret, clock)
        self._registry = Registry(house, clock, page_limit)
        self.logs = Logs(
            house, clock, self.counters, retention_days=retention_days, page_limit=page_limit
        )
        self._routes = [(label, re.compile(_pattern(label)), do) for label, do in self._table()]
        methods = ["GET", "POST", "PUT", "DELETE"]
        self.asgi = Starlette(routes=[Route("/{path:path}", self._endpoint, methods=methods)])

    def _table(self) -> list[tuple[str, Handler]]:
        registry, logs = self._registry, self.logs
        thing = "/v2.0/cloud/thing/{id}"
        return [
            ("/v1.0/devices/{id}/logs", logs.device_logs),
            (f"{thing}/logs", logs.device_logs),
            (TOKEN_PATH, self._token),
            (f"{TOKEN_PATH}/{{id}}", lambda call, token: self.tokens.refresh(token)),
            (f"{thing}/report-logs", logs.report_logs),
            ("/v2.1/cloud/thing/{id}/report-logs", logs.report_logs),
            ("/v1.0/iot-03/devices/{id}/report-logs", logs.report_logs),
            ("/v1.0/iot-01/associated-users/devices", registry.linked),
            ("/v1.3/iot-03/devices", registry.by_user),
            ("/v1.0/users/{id}/devices", registry.of_user),
            ("/v1.0/devices/factory-infos", registry.factory_infos),
            ("/v1.0/devices/{id}", registry.detail),
            ("/v1.0/iot-03/devices/{id}/status", registry.status),
            ("/v1.0/iot-03/devices/{id}/functions", registry.functions),
            ("/v1.0/iot-03/devices/{id}/specification", registry.specification),
            ("/v1.1/devices/{id}/specifications", registry.specifications),
            (f"{thing}/model", registry.model),
            (f"{thing}/shadow/properties", registry.shadow),
        ]

    def _token(self, call: Call) -> Answer:
        simple = call.query.get("grant_type") == "1"
        return self.tokens.grant() if simple else Refusal(1101, "param range is invalid")

    def answer(self, call: Call, fault: str | None) -> Answer:
        """The result of a call, or why there is none."""
        label, handler, parts = self._route(call)
        self.counters.requests[label] += 1
        if fault in REFUSALS:
            return REFUSALS[fault]
        if fault in TRANSPORT and fault != "cut_body":
            return None
        refusal = self._gate.refusal(call)
        if refusal is None and not call.path.startswith(TOKEN_PATH):
            refusal = self.tokens.refusal(call.headers.get("access_token", ""))
        if refusal or handler is None:
            return refusal or _NO_PATH
        if handler == self.logs.device_logs:
            return handler(call, *parts, fault)
        return handler(call, *parts)

    def _route(self, call: Call) -> tuple[str, Handler | None, tuple[str, ...]]:
        if call.method == "GET":
            for label, pattern, handler in self._routes:
                match = pattern.fullmatch(call.path)
                if match:
                    return label, handler, match.groups()
        return "unknown", None, ()

    async def _endpoint(self, request: Request) -> Response:
        call = await _decoded(request)
        fault = self.faults.take(call.path)
        answer = self.answer(call, fault)
        if fault in TRANSPORT:
            return await self._spoiled(request, fault, answer)
        return self._envelope(answer)

    def _envelope(self, answer: Answer) -> Response:
        frame = {"t": self.clock.signing_ms(), "tid": uuid.uuid4().hex}
        if isinstance(answer, Refusal):
            self.counters.refusals[answer.code] += 1
            body = {"code": answer.code, "msg": answer.msg, "success": False, **frame}
        else:
            body = {"result": answer, "success": True, **frame}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return Response(text, media_type="application/json")

    async def _spoiled(self, request: Request, fault: str | None, answer: Answer) -> Response:
        if fault == "html_502":
            return Response(_HTML, 502, media_type="text/html")
        if fault == "empty_body":
            return Response(b"")
        if fault == "result_null":
            return self._envelope(None)
        transport = request.state.transport
        if fault == "cut_body":
            whole = bytes(self._envelope(answer).body)
            length = {"content-length": str(len(whole))}
            return StreamingResponse(_half(whole, transport), headers=length)
        if fault == "hang":
            await self.closing.wait()
        return await _dropped(transport)


def _pattern(label: str) -> str:
    return re.escape(label).replace(re.escape("{id}"), _ID)


async def _decoded(request: Request) -> Call:
    raw_query = request.scope["query_string"].decode("latin-1")
    return Call(
        method=request.method,
        path=request.scope["path"],
        raw_query=raw_query,
        query=dict(parameters(raw_query)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=b"" if request.method == "GET" else await request.body(),
    )


async def _dropped(transport: Any) -> Response:
    """Cut the connection; the response is for the framework, nobody receives it."""
    transport.abort()
    await asyncio.sleep(0.01)
    return Response(b"")


async def _half(whole: bytes, transport: Any) -> AsyncIterator[bytes]:
    yield whole[: len(whole) // 2]
    transport.close()
