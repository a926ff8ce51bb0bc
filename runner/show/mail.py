"""A mail at the end of a run, by SMTP, where environment variables ask for one.

PROMPTLAB_SMTP_HOST      mail server; without it there is no mail
PROMPTLAB_SMTP_TO        who gets it, several with commas
PROMPTLAB_SMTP_FROM      default: the user if that is an address, else the first of TO
PROMPTLAB_SMTP_USER, PROMPTLAB_SMTP_PASSWORD   for a server that wants a login
PROMPTLAB_SMTP_SECURITY  starttls (default), ssl (default at port 465), none
PROMPTLAB_SMTP_PORT      default: 587, with ssl 465, with none 25
"""

import smtplib
import socket
import ssl
import sys
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

PREFIX = "PROMPTLAB_SMTP_"
PORTS = {"starttls": 587, "ssl": 465, "none": 25}
SILENCE = 15.0  # seconds that the server may take for an answer
PATIENCE = 45.0  # seconds for all of it


@dataclass(frozen=True)
class Mailbox:
    """Where the mail goes and how; `problem`: why none can be sent, although one is asked for."""

    host: str = ""
    port: int = 0
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    to: tuple[str, ...] = ()
    problem: str = ""


def take_mailbox(environment: MutableMapping[str, str]) -> Mailbox | None:
    """Return what the environment says, None where no mail is asked for. The password is taken out
    of it, so that no job and no queue gets to see it."""
    password = environment.pop(f"{PREFIX}PASSWORD", "")
    given = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    if not given:
        return None
    return _read(given, password)


def _read(given: Mapping[str, str], password: str) -> Mailbox:
    port = given.get("PORT", "")
    security = given.get("SECURITY", "ssl" if port == "465" else "starttls").lower()
    to = tuple(word.strip() for word in given.get("TO", "").split(",") if word.strip())
    user = given.get("USER", "")
    problem = ""
    if "HOST" not in given or not to:
        problem = f"{PREFIX}{'TO' if 'HOST' in given else 'HOST'} is missing"
    elif security not in PORTS:
        problem = f"{PREFIX}SECURITY {security}: must be one of {', '.join(PORTS)}"
    elif port and not (port.isdecimal() and 0 < int(port) < 65536):
        problem = f"{PREFIX}PORT {port}: must be a number from 1 to 65535"
    elif password and not user:
        problem = f"{PREFIX}USER is missing, although there is a password"
    if problem:
        return Mailbox(problem=problem)
    return Mailbox(
        host=given["HOST"],
        port=int(port) if port else PORTS[security],
        security=security,
        user=user,
        password=password,
        sender=given.get("FROM", user if "@" in user else to[0]),
        to=to,
    )


def send(mailbox: Mailbox, subject: str, body: str, *, patience: float = PATIENCE) -> str:
    """Send a mail and return why it could not be sent, nothing if it was. Takes `patience` seconds
    at most, whatever the server does."""
    said = ["no answer in time"]

    def deliver() -> None:
        try:
            _deliver(mailbox, subject, body, min(SILENCE, patience))
            said[0] = ""
        except Exception as error:  # whatever goes wrong here spoils no run
            said[0] = _one_line(error, mailbox.password)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    thread.join(patience)
    return said[0]


def notify(mailbox: Mailbox, subject: str, body: str) -> None:
    """Send a mail; say in one line where it went, or why it did not."""
    why_not = mailbox.problem or send(mailbox, subject, body)
    if why_not:
        where = f" by {mailbox.host}:{mailbox.port}" if mailbox.host else ""
        print(f"no mail sent{where}: {why_not}", file=sys.stderr)
    else:
        print(f"mail:    {', '.join(mailbox.to)}")


def _deliver(mailbox: Mailbox, subject: str, body: str, timeout: float) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = mailbox.sender
    message["To"] = ", ".join(mailbox.to)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=socket.gethostname() or "localhost")
    message.set_content(body)
    with _connect(mailbox, timeout) as server:
        if mailbox.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if mailbox.user:
            server.login(mailbox.user, mailbox.password)
        server.send_message(message)


def _connect(mailbox: Mailbox, timeout: float) -> smtplib.SMTP:
    if mailbox.security == "ssl":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(mailbox.host, mailbox.port, timeout=timeout, context=context)
    return smtplib.SMTP(mailbox.host, mailbox.port, timeout=timeout)


def _one_line(error: Exception, password: str) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text.replace(password, "***") if password else text
