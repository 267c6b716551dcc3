"""Spoiled connections: answers that drip, break off or never come.

Belongs here: bytes written past the web server, straight to the connection. Does not belong
here: what they say (cloud).
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

from starlette.types import Receive

from lib.demo.faults import Struck


@dataclass(frozen=True)
class Content:
    """An answer before it is sent."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"

    @property
    def head(self) -> bytes:
        """Status line and headers; the connection ends after this answer."""
        lines = (
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"content-type: {self.media_type}",
            f"content-length: {len(self.body)}",
            "connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode()


@dataclass(frozen=True)
class Wire:
    """One connection, whose client may leave at any moment."""

    transport: asyncio.Transport
    receive: Receive

    async def spoil(self, content: Content, struck: Struck) -> None:
        """Do to an answer what struck it, and see the connection to its end."""
        if struck.by("drop_connection"):
            self.transport.abort()
        elif not struck.by("hang"):
            body = content.body
            body = body[: len(body) // 2] if struck.by("cut_body") else body
            await self._write(content.head, struck.pause_s if struck.by("slow_headers") else 0)
            await self._write(body, struck.pause_s if struck.by("slow_body") else 0)
            self.transport.close()
        await self._lost()

    async def _write(self, content: bytes, pause_s: float) -> None:
        """Send all at once, or byte by byte for as long as there is somebody to read."""
        size = 1 if pause_s else len(content)
        for at in range(0, len(content), max(1, size)):
            if self.transport.is_closing():
                return
            self.transport.write(content[at : at + size])
            if pause_s:
                await asyncio.sleep(pause_s)

    async def _lost(self) -> None:
        """Wait for the end; a web server whose application returns earlier would answer."""
        while (await self.receive())["type"] != "http.disconnect":
            pass
