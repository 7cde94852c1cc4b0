"""Logs, attack protection, tickets, jobs, figures."""

import gzip
import json
import re

import httpx
import pytest

from .conftest import CONNECTION, unique
from .words import NOBODY, SEED, dump, refused, until


def test_log_records_are_searched_walked_and_read(client, new_user):
    user, _ = new_user()
    (record,) = client.logs.list(search=f'user_id:"{user.user_id}" AND type:ss', per_page=5).items
    assert record.type == "ss"
    read = client.logs.get(record.log_id)
    assert (read.user_id, read.date) == (user.user_id, record.date)
    page = client.logs.list(per_page=1, sort="date:1")
    assert page.has_next
    assert page.next_page().items[0].log_id != page.items[0].log_id
    with refused(404):
        client.logs.get("90020200101000000000000000000000000000000000000000000000")


def test_a_log_stream_is_made_listed_paused_and_removed(client):
    streams, name = client.log_streams, unique("siem")
    sink = {
        "httpEndpoint": "https://siem.example.test/in",
        "httpContentFormat": "JSONLINES",
        "httpContentType": "application/json",
    }
    filters = [{"type": "category", "name": "auth.login.fail"}]
    made = streams.create(request={"name": name, "type": "http", "sink": sink, "filters": filters})
    assert re.fullmatch(r"lst_\d{16}", made.id)
    assert made.status == "active"
    assert [stream.id for stream in streams.list()] == [made.id]
    assert streams.update(made.id, status="paused").status == "paused"
    read = streams.get(made.id)
    assert (read.name, read.status, read.sink.http_endpoint) == (name, "paused", sink["httpEndpoint"])
    streams.delete(made.id)
    with refused(404):
        streams.get(made.id)
    assert streams.list() == []


@pytest.mark.parametrize(
    ("path", "put", "change"),
    [
        ("attack_protection.brute_force_protection", "update", {"max_attempts": 7, "allowlist": ["203.0.113.9"]}),
        ("attack_protection.suspicious_ip_throttling", "update", {"allowlist": ["203.0.113.0/24"]}),
        ("attack_protection.breached_password_detection", "update", {"enabled": True, "shields": ["block"]}),
        ("attack_protection.bot_detection", "update", {"bot_detection_level": "high", "allowlist": ["203.0.113.9"]}),
        ("attack_protection.phone_provider_protection", "patch", {"type": "exponential"}),
        ("risk_assessments.settings", "update", {"enabled": True}),
        ("risk_assessments.settings.new_device", "update", {"remember_for": 14}),
        ("supplemental_signals", "patch", {"akamai_enabled": True}),
    ],
)
def test_a_protection_is_changed_and_read_back(client, path, put, change):
    part = client
    for name in path.split("."):
        part = getattr(part, name)
    before = dump(part.get())
    old = {name: before[name] for name in change}
    assert old != change
    assert dump(getattr(part, put)(**change)) == {**before, **change}
    assert dump(part.get()) == {**before, **change}
    assert dump(getattr(part, put)(**old)) == before


def test_a_captchas_site_key_is_shown_and_its_secret_is_not(client):
    captcha = client.attack_protection.captcha
    captcha.update(active_provider_id="hcaptcha", hcaptcha={"site_key": "shown", "secret": "not-shown"})
    read = captcha.get()
    assert read.active_provider_id == "hcaptcha"
    assert dump(read.hcaptcha) == {"site_key": "shown"}
    captcha.update(active_provider_id="simple_captcha")
    assert captcha.get().active_provider_id == "simple_captcha"


def test_an_address_that_is_not_blocked_can_be_let_in_as_well(client):
    client.anomaly.blocks.unblock_ip("203.0.113.9")


def test_a_ticket_to_verify_an_address_is_a_page_of_the_tenant(client, server, new_user):
    user, _ = new_user(email_verified=False)
    ticket = client.tickets.verify_email(user_id=user.user_id, ttl_sec=60).ticket
    assert ticket.startswith(server.issuer)
    assert httpx.get(ticket).status_code == 200
    with refused(404, "inexistent_user"):
        client.tickets.verify_email(user_id=NOBODY)


def test_a_ticket_to_change_a_password_is_made_for_an_id_or_an_address(client, server, new_user):
    user, _ = new_user()
    (connection,) = client.connections.list(name=CONNECTION)
    for whom in ({"user_id": user.user_id}, {"connection_id": connection.id, "email": user.email}):
        ticket = client.tickets.change_password(**whom, ttl_sec=60, mark_email_as_verified=True).ticket
        assert ticket.startswith(server.issuer)
        assert httpx.get(ticket).status_code == 200
    with refused(404):
        client.tickets.change_password(user_id=NOBODY)


@pytest.fixture
def finished(client):
    return lambda id: until(lambda: client.jobs.get(id), lambda job: job.status not in ("pending", "processing"))


def test_users_are_imported_and_what_is_wrong_with_a_record_is_said(client, new_database, finished):
    connection, email = new_database(), f"{unique('in')}@example.test"
    good = {"email": email, "email_verified": True, "given_name": "Ina", "mfa_factors": [{"totp": {"secret": SEED}}]}
    users = ("users.json", json.dumps([good, {"email": "not-an-address"}]), "application/json")
    made = client.jobs.users_imports.create(users=users, connection_id=connection.id, external_id="first", upsert=False)
    assert (made.type, made.connection_id, made.external_id) == ("users_import", connection.id, "first")

    job = finished(made.id)
    assert job.status == "completed"
    assert dump(job.summary) == {"total": 2, "inserted": 1, "updated": 0, "failed": 1}
    (found,) = client.users.list_users_by_email(email=email)
    assert found.given_name == "Ina"
    assert "totp" in [method.type for method in client.users.authentication_methods.list(found.user_id)]
    (error,) = client.jobs.errors.get(made.id)
    assert error.user["email"] == "not-an-address"
    assert error.errors[0].code


def test_users_are_exported_to_a_gzipped_file(client, new_user, new_database, finished):
    connection = new_database()
    user, _ = new_user(connection=connection.name)
    fields = [{"name": "email"}, {"name": "identities[0].connection", "export_as": "provider"}]
    made = client.jobs.users_exports.create(connection_id=connection.id, format="json", fields=fields)
    assert made.type == "users_export"
    job = finished(made.id)
    assert (job.status, job.percentage_done) == ("completed", 100)
    answer = httpx.get(job.location)
    assert answer.status_code == 200
    # A file, not a transport coding: unless the answer says otherwise, the bytes are still gzipped.
    text = gzip.decompress(answer.content) if answer.content[:2] == b"\x1f\x8b" else answer.content
    assert json.loads(text) == {"email": user.email, "provider": connection.name}
    assert not client.jobs.errors.get(made.id)


def test_a_mail_to_verify_an_address_is_a_job(client, server, new_user, finished):
    user, _ = new_user(email_verified=False, verify_email=False)
    made = client.jobs.verification_email.create(user_id=user.user_id)
    assert made.type == "verification_email"
    job = finished(made.id)
    assert (job.id, job.status) == (made.id, "completed")
    outbox = httpx.get(f"{server.issuer}_dev/api/outbox", params={"wait": "10", "to": user.email}, timeout=15)
    assert len(outbox.json()) == 1
    with refused(404):
        client.jobs.get("job_0000000000000000")


def test_a_login_is_counted(client, new_visitor):
    new_visitor()
    assert client.stats.get_active_users_count() >= 1
    today = client.stats.get_daily()[-1]
    assert today.logins >= 1 and today.signups >= 1
    with refused(400, "invalid_query_string"):
        client.stats.get_daily(from_="yesterday")
