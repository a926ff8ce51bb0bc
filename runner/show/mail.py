"""A mail at the end of a run, by SMTP, where environment variables ask for one.

PROMPTLAB_SMTP_HOST, PROMPTLAB_SMTP_TO         mail server; who gets it, several with commas
PROMPTLAB_SMTP_FROM                            default: the user if an address, else the first of TO
PROMPTLAB_SMTP_USER, PROMPTLAB_SMTP_PASSWORD   for a server that wants a login
PROMPTLAB_SMTP_PORT                            default 587; 465 is encrypted from the first byte
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
from email.message import EmailMessage
from email.utils import formatdate
from functools import partial

from runner.output import duration

PREFIX = "PROMPTLAB_SMTP_"
PATIENCE = 15.0  # seconds that the server may take for an answer
Mailbox = dict[str, str]
"""What the environment says, by the variables' last words; HOST, TO, FROM and PORT are there."""


def take_mailbox(environment: MutableMapping[str, str]) -> Mailbox | None:
    """Return where the mail goes and how, None where no mail is asked for, or where half of that is
    missing, which is said. The password is taken out of `environment`, so that no job sees it."""
    password = environment.pop(f"{PREFIX}PASSWORD", "")
    given = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    for name in ("HOST", "TO"):
        if given and not given.get(name):
            print(f"no mail at the end: {PREFIX}{name} is missing", file=sys.stderr)
            return None
    if not given:
        return None
    user = given.get("USER", "")
    sender = user if "@" in user else given["TO"].split(",")[0]
    return {"FROM": sender, "PORT": "587", **given, "PASSWORD": password}


class Letter:
    """Collects what is printed at the end; `code` is the exit code of the run."""

    def __init__(self) -> None:
        self.code = 1
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
    try:
        yield letter
    except BaseException as error:
        letter.code = 130 if isinstance(error, KeyboardInterrupt) else 1
        letter.text += f"\n\nerror: {str(error) or repr(error)}"
        raise
    finally:
        if mailbox:
            code = letter.code
            state = "finished" if code == 0 else "stopped" if code >= 128 else "failed"
            head = f"{title}: {state} after {duration(time.monotonic() - begin)}"
            where = f"on {socket.gethostname()}, in {os.getcwd()}"
            try:
                send(mailbox, f"PromptLab: {title} {state}", f"{head}, {where}\n\n{letter.text}\n")
                print(f"mail:    {mailbox['TO']}")
            except Exception as error:  # whatever goes wrong here spoils no run
                why = " ".join(str(error).split()).replace(mailbox["PASSWORD"] or "\n", "***")
                by = f"{mailbox['HOST']}:{mailbox['PORT']}"
                print(f"no mail sent by {by}: {why or type(error).__name__}", file=sys.stderr)


def send(mailbox: Mailbox, subject: str, body: str) -> None:
    """Send a mail; over an encrypted line where the server has one, and where there is a password
    over no other.

    Raises:
        OSError, ValueError: it could not be sent (`smtplib` and `ssl` raise kinds of the first).
    """
    message = EmailMessage()
    message["Subject"] = " ".join(subject.split())
    message["From"], message["To"] = mailbox["FROM"], mailbox["TO"]
    message["Date"] = formatdate(localtime=True)
    message.set_content(body)
    port, context = int(mailbox["PORT"]), ssl.create_default_context()
    encrypted = port == 465
    make = partial(smtplib.SMTP_SSL, context=context) if encrypted else smtplib.SMTP
    with make(mailbox["HOST"], port, timeout=PATIENCE) as server:
        server.ehlo()
        if not encrypted and (mailbox["PASSWORD"] or server.has_extn("starttls")):
            server.starttls(context=context)
        if mailbox["PASSWORD"]:
            server.login(mailbox.get("USER", mailbox["FROM"]), mailbox["PASSWORD"])
        server.send_message(message)
