"""The mail at the end: what it says, where it goes, and that it never spoils a run."""

import signal
import time

import pytest

from runner.show import mail
from runner.show.mail import send, take_mailbox
from tests.support.mail_server import MailServer, certificate

WORDS = ("--cfg", "coop", "--datasets", "dtd", "--seeds", "1")
SECRET = "correct-horse"


def settings(server, **more):
    given = {"HOST": "localhost", "PORT": str(server.port), "TO": "me@lab.org, you@lab.org"}
    return {f"PROMPTLAB_SMTP_{name}": value for name, value in {**given, **more}.items()}


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    made = certificate(tmp_path_factory.mktemp("tls"))
    return made or pytest.skip("no openssl to make a certificate with")


def test_a_finished_run_is_told_with_its_table(lab):
    with MailServer() as server:
        lab.env = settings(server)
        done = lab.run(*WORDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("mail:    me@lab.org, you@lab.org\n")
    assert server.recipients == ["me@lab.org", "you@lab.org"]
    (mail,) = server.mails
    assert mail["Subject"] == "PromptLab: coop, b2n finished"
    assert (mail["From"], mail["To"]) == ("me@lab.org", "me@lab.org, you@lab.org")
    body = mail.get_content()
    assert body.startswith("coop, b2n: finished after ") and f"in {lab.path}" in body
    assert "table:   results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv" in body
    assert "71.04" in body and "±" not in body.split("Accuracy")[0]


def test_a_failed_run_is_told_with_the_end_of_its_log(lab):
    lab.rules = [{"match": "train_base", "exit": 1, "says": "CUDA out of memory"}]
    with MailServer() as server:
        lab.env = settings(server)
        assert lab.run(*WORDS).returncode == 1
    (mail,) = server.mails
    assert mail["Subject"] == "PromptLab: coop, b2n failed"
    assert "1 run failed:" in mail.get_content() and "CUDA out of memory" in mail.get_content()


def test_a_stopped_run_is_told(lab):
    lab.rules = [{"match": "seed1", "seconds": 30}]
    with MailServer() as server:
        lab.env = settings(server)
        assert lab.interrupt_after(1, *WORDS, number=signal.SIGTERM).returncode == 143
    (mail,) = server.mails
    assert mail["Subject"] == "PromptLab: coop, b2n stopped"
    assert "stopped with 2 jobs left" in mail.get_content()


def test_nothing_to_run_or_a_dry_run_sends_nothing(lab):
    with MailServer() as server:
        lab.env = settings(server)
        lab.run(*WORDS, "--dry-run")
        lab.run(*WORDS)
        lab.run(*WORDS)
    assert len(server.mails) == 1


def test_an_error_in_the_middle_is_told_and_stays_an_error(lab):
    """A folder has the name of a table: it cannot be written at the end."""
    (lab.path / "results/coop/b2n-CoOp-vit_b16_ep10_bs4_lr35.csv").mkdir(parents=True)
    with MailServer() as server:
        lab.env = settings(server)
        assert lab.run(*WORDS).returncode == 2
    (mail,) = server.mails
    assert mail["Subject"] == "PromptLab: coop, b2n failed"
    assert "error: cannot write " in mail.get_content()


def test_a_server_that_is_gone_costs_one_line_and_no_exit_code(lab):
    with MailServer() as server:
        lab.env = settings(server)
    done = lab.run(*WORDS)
    assert done.returncode == 0
    where = f"localhost:{server.port}"
    assert done.stderr == f"no mail sent by {where}: [Errno 111] Connection refused\n"


@pytest.mark.parametrize(
    ("fault", "line"),
    [({"refuses": True}, "550"), ({"password": "another"}, "535, b'wrong: ***'")],
)
def test_a_server_that_refuses_costs_one_line_and_no_exit_code(lab, tls, fault, line):
    path, context = tls
    login = {"USER": "me@lab.org", "PASSWORD": SECRET} if "password" in fault else {}
    with MailServer(context=context, **fault) as server:
        lab.env = {**settings(server, **login), "SSL_CERT_FILE": str(path)}
        done = lab.run(*WORDS)
    assert done.returncode == 0
    assert line in done.stderr and done.stderr.count("\n") == 1
    assert SECRET not in done.stdout + done.stderr


def test_a_server_that_does_not_answer_is_waited_for_a_while(monkeypatch):
    monkeypatch.setattr(mail, "PATIENCE", 0.5)
    with MailServer(silent=True) as server:
        begin = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            send(take_mailbox(settings(server)), "subject", "body")
        assert time.monotonic() - begin < 20


def test_the_password_goes_over_an_encrypted_line_alone_and_into_no_file(lab, tls):
    path, context = tls
    with MailServer(context=context, password=SECRET) as server:
        lab.env = settings(server, USER="me", PASSWORD=SECRET)
        lab.env["SSL_CERT_FILE"] = str(path)
        done = lab.run(*WORDS)
    assert done.returncode == 0 and "no mail" not in done.stderr, done.stderr
    assert server.encrypted and server.logins == ["me"] and len(server.mails) == 1
    for file in (file for file in lab.path.rglob("*") if file.is_file()):
        assert SECRET.encode() not in file.read_bytes(), file
    assert SECRET not in done.stdout + done.stderr + server.mails[0].as_string()


def test_a_server_without_encryption_gets_no_password(lab):
    with MailServer(password=SECRET) as server:
        lab.env = settings(server, USER="me", PASSWORD=SECRET)
        done = lab.run(*WORDS)
    assert "STARTTLS" in done.stderr and done.returncode == 0
    assert server.logins == [] and server.mails == []


def test_an_unknown_certificate_is_refused(lab, tls):
    with MailServer(context=tls[1]) as server:
        lab.env = settings(server)
        done = lab.run(*WORDS)
    assert "certificate" in done.stderr.lower() and server.mails == []


def test_jobs_do_not_see_the_password():
    environment = {"PROMPTLAB_SMTP_HOST": "h", "PROMPTLAB_SMTP_TO": "a@b", "X": "1"}
    environment |= {"PROMPTLAB_SMTP_PASSWORD": SECRET, "PROMPTLAB_SMTP_USER": "u"}
    assert take_mailbox(environment)["PASSWORD"] == SECRET
    assert SECRET not in environment.values()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"HOST": "h", "TO": "a@b"}, ("h", "587", "a@b")),
        ({"HOST": "h", "TO": "a@b", "PORT": "465"}, ("h", "465", "a@b")),
        ({"HOST": "h", "TO": "a@b", "USER": "u@c"}, ("h", "587", "u@c")),
        ({"HOST": "h", "TO": "a@b", "FROM": "x@y", "USER": "u"}, ("h", "587", "x@y")),
    ],
)
def test_what_the_environment_leaves_open_has_a_default(given, found):
    mailbox = take_mailbox({f"PROMPTLAB_SMTP_{name}": value for name, value in given.items()})
    assert tuple(mailbox[name] for name in ("HOST", "PORT", "FROM")) == found


def test_a_port_that_is_none_costs_one_line_and_no_exit_code(lab):
    lab.env = {f"PROMPTLAB_SMTP_{n}": v for n, v in (("HOST", "h"), ("TO", "a@b"), ("PORT", "x"))}
    done = lab.run(*WORDS)
    assert done.returncode == 0 and done.stderr.startswith("no mail sent by h:x: invalid literal")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"TO": "a@b"}, "PROMPTLAB_SMTP_HOST is missing"),
        ({"HOST": "h"}, "PROMPTLAB_SMTP_TO is missing"),
        ({"HOST": "h", "TO": " "}, "PROMPTLAB_SMTP_TO is missing"),
    ],
)
def test_half_a_setting_is_told(capsys, given, line):
    environment = {f"PROMPTLAB_SMTP_{name}": value for name, value in given.items()}
    assert take_mailbox(environment) is None
    said = capsys.readouterr().err
    assert said.startswith(f"no mail at the end: {line}") and said.count("\n") == 1


def test_half_a_setting_does_not_keep_runs_from_running(lab):
    lab.env = {"PROMPTLAB_SMTP_TO": "a@b"}
    done = lab.run(*WORDS)
    assert done.returncode == 0
    assert done.stderr == "no mail at the end: PROMPTLAB_SMTP_HOST is missing\n"
