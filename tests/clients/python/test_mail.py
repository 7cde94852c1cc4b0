"""Mail by SMTP to aiosmtpd: a real server, with TLS and a password."""

import email
import email.policy
import json
import os
import socket
import ssl
import subprocess
import time
from pathlib import Path
from queue import Queue

import httpx
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from server import REPOSITORY, without_ours

ISSUER = "https://login.example.test/"
USER, PASSWORD = "lockstep", "sm7p-s3cret"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MailServer:
    """Takes mail for everybody at example.test, and notes who logged in."""

    def __init__(self, ca=None):
        self.arrived = Queue()
        self.logins = []
        options = {}
        if ca:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            ca.issue_cert("localhost").configure_cert(context)
            options = {"tls_context": context, "require_starttls": True}
        self.port = free_port()
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            authenticator=self.authenticate,
            auth_require_tls=bool(ca),
            auth_required=bool(ca),
            **options,
        )
        self.controller.start()

    def authenticate(self, _server, session, _envelope, _mechanism, data):
        self.logins.append((data.login.decode(), data.password.decode(), session.ssl is not None))
        return AuthResult(success=data.password.decode() == PASSWORD)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if not address.endswith("@example.test"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, envelope):
        self.arrived.put(envelope)
        return "250 OK"


class Production:
    """`lockstep serve` with a folder of its own."""

    def __init__(self, folder, ca):
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        binary = os.environ.get("LOCKSTEP_BIN", str(target / "debug" / "lockstep"))
        port = free_port()
        environment = {**without_ours(os.environ), "LOCKSTEP_LISTEN": f"127.0.0.1:{port}"}
        ca.cert_pem.write_to_path(folder / "ca.pem")
        environment["SSL_CERT_FILE"] = str(folder / "ca.pem")
        made = subprocess.run(
            [binary, "init", "--issuer", ISSUER, "--json"],
            cwd=folder, env=environment, capture_output=True, check=True,
        )
        machine = json.loads(made.stdout)
        self.log = folder / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([binary, "serve"], cwd=folder, env=environment, stderr=log)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False)
        self.until(lambda: self.answers())
        body = {**machine, "grant_type": "client_credentials", "audience": f"{ISSUER}api/v2/"}
        body = {name: body[name] for name in ("client_id", "client_secret", "grant_type", "audience")}
        token = self.http.post("/oauth/token", json=body).json()["access_token"]
        self.http.headers["authorization"] = f"Bearer {token}"

    def answers(self):
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def until(self, happened):
        """Waits for something that another process does."""
        end = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < end and self.process.poll() is None, self.log.read_text()
            time.sleep(0.05)

    def call(self, method, path, body=None):
        answer = self.http.request(method, f"/api/v2/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def mail_by(self, mail_server):
        self.call("POST", "emails/provider", {
            "name": "smtp",
            "default_from_address": "Acme <no-reply@acme.test>",
            "credentials": {
                "smtp_host": "localhost", "smtp_port": mail_server.port, "smtp_user": USER, "smtp_pass": PASSWORD,
            },
        })

    def ask_for_a_ticket(self, address):
        user = self.call("POST", "users", {
            "connection": "Username-Password-Authentication", "email": address, "password": "Correct-horse-9",
            # This mail alone is what arrives.
            "verify_email": False,
        })
        self.call("POST", "guardian/enrollments/ticket", {"user_id": user["user_id"], "send_mail": True})


@pytest.fixture
def ca():
    return trustme.CA()


@pytest.fixture
def production(tmp_path, ca):
    running = Production(tmp_path, ca)
    yield running
    running.process.kill()
    running.process.wait()
    running.http.close()


@pytest.fixture
def mail_server():
    started = []

    def start(ca=None):
        started.append(MailServer(ca))
        return started[-1]

    yield start
    for server in started:
        server.controller.stop()


def test_a_mail_arrives_over_tls_with_the_password(production, mail_server, ca):
    server = mail_server(ca)
    production.mail_by(server)
    production.ask_for_a_ticket("ana@example.test")
    envelope = server.arrived.get(timeout=20)
    assert server.logins == [(USER, PASSWORD, True)]
    assert (envelope.mail_from, envelope.rcpt_tos) == ("no-reply@acme.test", ["ana@example.test"])
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert (mail["from"], mail["to"]) == ("Acme <no-reply@acme.test>", "ana@example.test")
    assert mail["message-id"].endswith("@login.example.test>")
    for kind in ("plain", "html"):
        assert ISSUER in mail.get_body((kind,)).get_content(), kind


def test_a_mailbox_that_does_not_exist_is_in_the_tenant_log(production, mail_server, ca):
    server = mail_server(ca)
    production.mail_by(server)
    production.ask_for_a_ticket("ana@elsewhere.test")
    failed = []
    production.until(lambda: failed.extend(production.call("GET", "logs?q=type:fn")) or failed)
    assert failed[0]["description"] == "To: ana@elsewhere.test"
    assert "550" in failed[0]["details"]["error"] or "no such mailbox" in failed[0]["details"]["error"]


@pytest.mark.parametrize("kind", ["no TLS", "a certificate of somebody else"])
def test_a_password_is_never_sent_where_it_could_be_read(production, mail_server, kind):
    server = mail_server(None if kind == "no TLS" else trustme.CA())
    production.mail_by(server)
    production.ask_for_a_ticket("ana@example.test")
    production.until(lambda: "A message was not" in production.log.read_text())
    assert server.logins == [] and server.arrived.empty()
