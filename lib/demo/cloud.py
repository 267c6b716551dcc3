"""The cloud's front: from an HTTP request to an envelope, faults included.

Belongs here: routing, the order of checks, envelopes. Does not belong here: signatures
(access), pages (logs), devices (registry), what is done to connections (wire).
"""

import asyncio
import json
import re
import uuid
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lib.demo.access import TOKEN_PATH, Gate, Tokens, parameters
from lib.demo.edits import Edits
from lib.demo.faults import Faults, Struck
from lib.demo.house import House
from lib.demo.kinds import ON_THE_WIRE, REFUSALS, UNASKED, is_token, refusal
from lib.demo.logs import Logs
from lib.demo.registry import Registry
from lib.demo.state import Answer, Call, Clock, Counters, Encoded, Refusal
from lib.demo.wire import Content, Wire

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
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
        self.edits = Edits(house, clock)
        self.latency_s = 0.0
        self.monthly_calls: int | None = None
        self.tokens = Tokens(lambda: clock.signing_ms() / 1000)
        self._gate = Gate(access_id, access_secret, clock)
        self._registry = Registry(self.edits, clock, page_limit)
        self.logs = Logs(
            self.edits, clock, self.counters, retention_days=retention_days, page_limit=page_limit
        )
        self._routes = [(label, re.compile(_pattern(label)), do) for label, do in self._table()]

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

    def answer(self, call: Call, struck: Struck) -> Answer:
        """The result of a call, or why there is none."""
        label, handler, parts = self._route(call)
        self.counters.requests[label] += 1
        self.counters.months[self._month] += 1
        if struck.kinds:
            self._end_token(struck)
            refused = refusal(struck.kinds)
            if refused or struck.by(UNASKED):
                return refused
        refused = self._gate.refusal(call)
        if refused is None and not is_token(call.path):
            refused = self.tokens.refusal(call.headers.get("access_token", "")) or self._spent()
        if refused or handler is None:
            return refused or _NO_PATH
        if handler in (self.logs.device_logs, self.logs.report_logs):
            return handler(call, *parts, struck.kinds)
        return handler(call, *parts)

    def _end_token(self, struck: Struck) -> None:
        if struck.by("token_rotated"):
            self.tokens.rotate()
        if struck.by("token_ended"):
            self.tokens.expire()

    @property
    def _month(self) -> str:
        return f"{self.clock.now:%Y-%m}"

    def _spent(self) -> Refusal | None:
        """Whether the month's calls are used up; tokens are counted, but still given."""
        limit = self.monthly_calls
        over = limit is not None and self.counters.months[self._month] > limit
        return REFUSALS["quota"] if over else None

    def _route(self, call: Call) -> tuple[str, Handler | None, tuple[str, ...]]:
        if call.method == "GET":
            for label, pattern, handler in self._routes:
                match = pattern.fullmatch(call.path)
                if match:
                    return label, handler, match.groups()
        return "unknown", None, ()

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of the web server."""
        call = await _decoded(Request(scope, receive))
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        struck = self.faults.take(call.path)
        content = self._content(self.answer(call, struck), struck)
        if struck.by(ON_THE_WIRE):
            await Wire(scope["state"]["transport"], receive).spoil(content, struck)
        else:
            response = Response(content.body, content.status, media_type=content.media_type)
            await response(scope, receive, send)

    def _content(self, answer: Answer, struck: Struck) -> Content:
        if struck.by("html_502"):
            return Content(_HTML, 502, "text/html")
        if struck.by("empty_body"):
            return Content(b"")
        return Content(self._envelope(answer).encode())

    def _envelope(self, answer: Answer) -> str:
        if isinstance(answer, Refusal):
            self.counters.refusals[answer.code] += 1
            told = f'"code":{answer.code},"msg":{_json(answer.msg)},"success":false'
        else:
            text = answer if isinstance(answer, Encoded) else _json(answer)
            told = f'"result":{text},"success":true'
        return f'{{{told},"t":{self.clock.signing_ms()},"tid":"{uuid.uuid4().hex}"}}'


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _pattern(label: str) -> str:
    return re.escape(label).replace(re.escape("{id}"), "([^/]+)")


async def _decoded(request: Request) -> Call:
    pairs = parameters(request.scope["query_string"].decode("latin-1"))
    raw = request.headers.raw
    return Call(
        method=request.method,
        path=request.scope["path"],
        pairs=pairs,
        query=dict(pairs),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in raw},
        body=b"" if request.method == "GET" else await request.body(),
    )
