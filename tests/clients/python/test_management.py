"""The official Python SDK's ManagementClient."""

import re

import httpx
import pytest
from auth0.management.errors import BadRequestError, ConflictError, NotFoundError

from conftest import CONNECTION
from login import Authenticator, Forms

NOBODY = "auth0|000000000000000000000000"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.mark.parametrize(
    "name", ["otp", "sms", "push-notification", "webauthn-roaming", "webauthn-platform", "email", "recovery-code"]
)
def test_a_factor_is_switched_on_and_off(management, name):
    def enabled():
        return {factor.name: factor.enabled for factor in management.guardian.factors.list()}[name]

    for wanted in (True, False):
        assert management.guardian.factors.set(name, enabled=wanted).enabled is wanted
        assert enabled() is wanted


def test_an_unknown_factor_is_refused(management):
    with pytest.raises(BadRequestError):
        management.guardian.factors.set("carrier-pigeon", enabled=True)


def test_the_policy_is_kept_as_set(management):
    assert list(management.guardian.policies.set(request=["all-applications"])) == ["all-applications"]
    assert list(management.guardian.policies.list()) == ["all-applications"]
    assert list(management.guardian.policies.set(request=[])) == []
    with pytest.raises(BadRequestError):
        management.guardian.policies.set(request=["now-and-then"])
    assert list(management.guardian.policies.list()) == []


def test_a_user_from_create_to_delete(management, new_user):
    user, _ = new_user(given_name="Ann", user_metadata={"country": "NL"})
    assert re.fullmatch(r"auth0\|[0-9a-f]{24}", user.user_id)
    assert management.users.get(user.user_id).given_name == "Ann"
    assert [found.user_id for found in management.users.list_users_by_email(email=user.email)] == [user.user_id]
    assert [found.user_id for found in management.users.list(q=f'email:"{user.email}"')] == [user.user_id]
    with pytest.raises(ConflictError):
        management.users.create(connection=CONNECTION, email=user.email, password="Correct-horse-battery-9")
    updated = management.users.update(user.user_id, nickname="annie", user_metadata={"theme": "dark"})
    assert (updated.nickname, updated.user_metadata) == ("annie", {"country": "NL", "theme": "dark"})
    management.users.delete(user.user_id)
    with pytest.raises(NotFoundError):
        management.users.get(user.user_id)


def test_the_list_is_walked_page_by_page(management, new_user):
    made = {new_user(nickname="pythonbatch")[0].user_id for _ in range(3)}
    found = [user.user_id for user in management.users.list(q="nickname:pythonbatch", per_page=2)]
    assert len(found) == 3 and set(found) == made


def test_a_seed_is_imported_renamed_and_deleted(management, new_user):
    user, _ = new_user()
    methods = management.users.authentication_methods
    made = methods.create(user.user_id, type="totp", name="Old app", totp_secret=SEED)
    assert made.type == "totp"
    assert made.id in [method.id for method in methods.list(user.user_id)]
    assert methods.update(user.user_id, made.id, name="New app").name == "New app"
    assert methods.get(user.user_id, made.id).name == "New app"
    with pytest.raises(ConflictError):
        methods.create(user.user_id, type="totp", name="Again", totp_secret=SEED)
    methods.delete(user.user_id, made.id)
    with pytest.raises(NotFoundError):
        methods.get(user.user_id, made.id)
    methods.create(user.user_id, type="totp", name="One", totp_secret=SEED)
    methods.delete_all(user.user_id)
    assert [method for method in methods.list(user.user_id) if method.type == "totp"] == []


def test_a_recovery_code_is_new_each_time(management, new_user):
    user, _ = new_user()
    codes = {management.users.regenerate_recovery_code(user.user_id).recovery_code for _ in range(2)}
    assert len(codes) == 2 and all(re.fullmatch(r"[A-Z0-9]{24}", code) for code in codes)


def test_remembered_browsers_are_forgotten(management, new_user):
    user, _ = new_user()
    management.users.multifactor.invalidate_remember_browser(user.user_id)


def test_an_enrolment_ticket_enrols_once(management, server, new_user):
    management.guardian.factors.set("otp", enabled=True)
    user, _ = new_user()
    ticket = management.guardian.enrollments.create_ticket(user_id=user.user_id, send_mail=False)
    assert ticket.ticket_url.startswith(server.issuer)
    with httpx.Client(follow_redirects=True) as browser:
        # Opening the link only looks, so that a mail scanner cannot use it up; the person presses the button.
        welcome = browser.get(ticket.ticket_url)
        form = Forms(welcome.text).forms[0]
        start = {c["name"]: c.get("value") or "" for c in form["controls"] if c["tag"] == "input" and c.get("name")}
        page = browser.post(ticket.ticket_url, data={**start, "action": "default"})
        parsed = Forms(page.text)
        uri = re.search(r"[?&;]secret=([A-Z2-7]+)", page.text)
        secret = uri[1] if uri else re.search(r"\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b", parsed.text)[0]
        form = next(form for form in parsed.forms if any(c.get("name") == "code" for c in form["controls"]))
        data = {c["name"]: c.get("value") or "" for c in form["controls"] if c["tag"] == "input" and c.get("name")}
        code = Authenticator(secret).code()
        done = browser.post(page.url.join(form["action"]), data={**data, "code": code, "action": "default"})
        assert done.status_code < 400, done.text
    enrolled = management.users.enrollments.get(user.user_id)
    assert [enrolment.status for enrolment in enrolled] == ["confirmed"]
    assert management.guardian.enrollments.get(enrolled[0].id).status == "confirmed"
    management.guardian.enrollments.delete(enrolled[0].id)
    assert list(management.users.enrollments.get(user.user_id)) == []


def test_a_ticket_for_nobody_is_refused(management):
    with pytest.raises(NotFoundError):
        management.guardian.enrollments.create_ticket(user_id=NOBODY)
