"""Who asks for another protocol is answered in this one, as if they had not asked (RFC 9110, section 7.8).

Java's HTTP client asks for HTTP/2 with the first request of every unencrypted connection (`Upgrade: h2c`). httptools
takes all that follows the head of such a message for the other protocol's, so uvicorn would answer as if there were no
body, and read a body that comes later as the next request. Here the message is parsed again, without the question.
"""

from __future__ import annotations

import sys

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.closing import ClosingConnection


class StayingConnection(ClosingConnection):
    """One connection, which stays with HTTP/1.1."""

    _received = b""
    _asks_for_another = False
    """The message at hand is to be parsed again."""
    _is_repeating = False

    def data_received(self, data: bytes) -> None:
        self._received = data
        super().data_received(data)
        self._received = b""

    def on_headers_complete(self) -> None:
        self._asks_for_another = self.parser.should_upgrade()
        if not self._asks_for_another:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._asks_for_another:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Called by uvicorn while it handles httptools' exception, whose argument is the length of what was parsed.

        Who asks waits for the answer; a second question behind the first, and a tunnel (CONNECT), are bad requests.
        """
        stopped, method = sys.exception(), self.parser.get_method()
        assert isinstance(stopped, httptools.HttpParserUpgrade)
        if self._is_repeating or method == b"CONNECT" or any(b"\n" in value for _, value in self.headers):
            self.send_400_response("Invalid HTTP request received.")
            return
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        rest = self._received[stopped.args[0] :]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_repeating = True
        HttpToolsProtocol.data_received(self, b"\r\n".join([*lines, b"", rest]))
        self._is_repeating = False
