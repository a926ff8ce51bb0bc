"""A mail server on this machine, which keeps what it is sent."""

import base64
import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from email import message_from_string, policy
from email.message import Message
from pathlib import Path


class MailServer:
    """Speaks as much SMTP as a client of one mail needs, in a thread.

    Args:
        context: offers STARTTLS with it, and a login behind that.
        password: what the login has to say.
        silent: takes connections and says nothing.
    """

    def __init__(
        self,
        *,
        context: ssl.SSLContext | None = None,
        password: str = "",
        silent: bool = False,
        refuses: bool = False,
    ) -> None:
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.encrypted = False
        self.logins: list[str] = []
        self._context, self._password = context, password
        self._silent, self._refuses = silent, refuses
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "MailServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, ssl.SSLError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._silent:
            self._over.wait()
            return
        connection.sendall(b"220 here\r\n")
        lines = connection.makefile("rb")
        while line := lines.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"STARTTLS" and self._context:
                connection.sendall(b"220 go on\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
                lines, self.encrypted = connection.makefile("rb"), True
            elif word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                self._take(lines)
                connection.sendall(b"250 taken\r\n")
            else:
                connection.sendall(self._answer(word, line))
            if word == b"QUIT":
                return

    def _answer(self, word: bytes, line: bytes) -> bytes:
        if word in (b"EHLO", b"HELO"):
            can = b"250-STARTTLS\r\n" if self._context and not self.encrypted else b""
            login = b"250-AUTH PLAIN\r\n" if self._password else b""
            return b"250-here\r\n" + can + login + b"250 8BITMIME\r\n"
        if word == b"AUTH":
            _, user, password = base64.b64decode(line.split()[2]).decode().split("\0")
            self.logins.append(user)
            right = password == self._password
            return b"235 welcome\r\n" if right else b"535 wrong: " + password.encode() + b"\r\n"
        if word == b"RCPT":
            if self._refuses:
                return b"550 no such user here\r\n"
            self.recipients.append(line.decode().split("<")[1].split(">")[0])
        return b"221 bye\r\n" if word == b"QUIT" else b"250 well\r\n"

    def _take(self, lines: object) -> None:
        text = ""
        while (line := lines.readline()) and line != b".\r\n":  # type: ignore[attr-defined]
            text += line.decode().removeprefix("." if line.startswith(b"..") else "")
        self.mails.append(message_from_string(text, policy=policy.default))


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext] | None:
    """Return a certificate of localhost and the context of a server that has it; None without the
    program that makes one."""
    program = shutil.which("openssl")
    if program is None:
        return None
    key, path = folder / "key.pem", folder / "certificate.pem"
    words = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(path)]
    subprocess.run([program, *words], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return path, context
