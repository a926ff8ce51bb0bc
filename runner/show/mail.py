"""A mail at the end of a run, by SMTP, where environment variables ask for one.

PROMPTLAB_SMTP_HOST      mail server; without it there is no mail
PROMPTLAB_SMTP_TO        who gets it, several with commas
PROMPTLAB_SMTP_FROM      default: the user if that is an address, else the first of TO
PROMPTLAB_SMTP_USER, PROMPTLAB_SMTP_PASSWORD   for a server that wants a login
PROMPTLAB_SMTP_SECURITY  starttls (default), ssl (default at port 465), none
PROMPTLAB_SMTP_PORT      default: 587, with ssl 465, with none 25
"""

import contextlib
import io
import os
import smtplib
import socket
import ssl
import sys
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from functools import partial

from runner.errors import UserError
from runner.output import duration

PREFIX = "PROMPTLAB_SMTP_"
PORTS = {"starttls": 587, "ssl": 465, "none": 25}
PATIENCE = 15.0  # seconds that the server may take for an answer


@dataclass(frozen=True)
class Mailbox:
    """Where the mail goes and how."""

    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)


def take_mailbox(environment: MutableMapping[str, str]) -> Mailbox | None:
    """Return what the environment says, None where no mail is asked for, or none can be sent, which
    is said. The password is taken out of it, so that no job and no queue gets to see it."""
    password = environment.pop(f"{PREFIX}PASSWORD", "")
    given = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    if not given:
        return None
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
        print(f"no mail at the end: {problem}", file=sys.stderr)
        return None
    number = int(port) if port else PORTS[security]
    sender = given.get("FROM", user if "@" in user else to[0])
    return Mailbox(given["HOST"], number, security, sender, to, user, password)


class Letter:
    """Collects what is printed at the end; `code` is the exit code of the run."""

    def __init__(self) -> None:
        self.code = 0
        self.text = ""

    @contextlib.contextmanager
    def copying(self) -> Iterator[None]:
        """Take a copy of what is printed inside the block."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                yield
        finally:
            print(said.getvalue(), end="", flush=True)
            self.text = said.getvalue().strip()


@contextlib.contextmanager
def mail_at_end(mailbox: Mailbox | None, title: str) -> Iterator[Letter]:
    """Send a mail when the block ends, however it does, if there is a mailbox: its subject says
    that the runs have finished, failed or were stopped. Changes neither exit code nor exception."""
    letter, begin = Letter(), time.monotonic()
    state, error = "failed", ""
    try:
        yield letter
        state = "finished" if not letter.code else "stopped" if letter.code >= 128 else "failed"
    except KeyboardInterrupt:
        state = "stopped"
        raise
    except BaseException as failure:
        lines = failure.problems if isinstance(failure, UserError) else [repr(failure)]
        error = "\n".join(f"error: {line}" for line in lines)
        raise
    finally:
        if mailbox:
            head = f"{title}: {state} after {duration(time.monotonic() - begin)}"
            where = f"on {socket.gethostname()}, in {os.getcwd()}"
            body = "\n\n".join(filter(None, [f"{head}, {where}", error, letter.text]))
            why_not = send(mailbox, f"PromptLab: {title} {state}", f"{body}\n")
            if why_not:
                by = f"{mailbox.host}:{mailbox.port}"
                print(f"no mail sent by {by}: {why_not}", file=sys.stderr)
            else:
                print(f"mail:    {', '.join(mailbox.to)}")


def send(mailbox: Mailbox, subject: str, body: str, *, patience: float = PATIENCE) -> str:
    """Send a mail and return why it could not be sent, nothing if it was; `patience`: seconds that
    the server may take for an answer."""
    try:
        _deliver(mailbox, subject, body, patience)
    except Exception as error:  # whatever goes wrong here spoils no run
        text = " ".join(str(error).split()) or type(error).__name__
        return text.replace(mailbox.password, "***") if mailbox.password else text
    return ""


def _deliver(mailbox: Mailbox, subject: str, body: str, timeout: float) -> None:
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"] = mailbox.sender
    message["To"] = ", ".join(mailbox.to)
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain=socket.gethostname() or "localhost")
    message.set_content(body)
    context = ssl.create_default_context()
    encrypted = partial(smtplib.SMTP_SSL, context=context)
    make = encrypted if mailbox.security == "ssl" else smtplib.SMTP
    with make(mailbox.host, mailbox.port, timeout=timeout) as server:
        if mailbox.security == "starttls":
            server.starttls(context=context)
        if mailbox.user:
            server.login(mailbox.user, mailbox.password)
        server.send_message(message)
