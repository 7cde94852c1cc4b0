"""Factors, policies, enrolments: `client.guardian`."""

import pytest

from login import Forms, Person

from .words import NOBODY, dump, refused


@pytest.fixture
def factors(client):
    return client.guardian.factors


FACTORS = ["sms", "push-notification", "otp", "email", "duo", "webauthn-roaming", "webauthn-platform", "recovery-code"]


def test_the_eight_factors_are_listed_in_the_documented_order(factors):
    assert [factor.name for factor in factors.list()] == FACTORS


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_is_switched_on_and_off(factors, name):
    def enabled():
        return {factor.name: factor.enabled for factor in factors.list()}[name]

    before = enabled()
    for wanted in (not before, before):
        assert factors.set(name, enabled=wanted).enabled is wanted
        assert enabled() is wanted


def test_an_unknown_factor_is_refused(factors):
    with refused(400):
        factors.set("carrier-pigeon", enabled=True)


def test_the_policy_is_kept(client):
    policies = client.guardian.policies
    assert policies.list() == []
    assert policies.set(request=["all-applications"]) == ["all-applications"]
    assert policies.list() == ["all-applications"]
    assert policies.set(request=[]) == []
    with refused(400, "invalid_body"):
        policies.set(request=["now-and-then"])
    assert policies.list() == []


def test_the_remember_me_settings_are_kept(client):
    before = dump(client.guardian.get())
    assert before["mfa_session_overall_timeout"] == 2592000
    settings = {
        "display_remember_me_checkbox": False,
        "remember_me_default_value": False,
        "mfa_session_inactivity_timeout": 7200,
        "mfa_session_overall_timeout": 86400,
    }
    assert dump(client.guardian.set(**settings)) == settings
    assert dump(client.guardian.get()) == settings
    client.guardian.set(**before)
    with refused(400, "invalid_body"):
        client.guardian.set(**{**settings, "mfa_session_inactivity_timeout": 1})


def test_the_phone_factor_is_read_by_its_older_name_too(factors):
    phone, sms = factors.phone, factors.sms
    assert phone.get_message_types().message_types == []
    assert phone.set_message_types(message_types=["sms", "voice"]).message_types == ["sms", "voice"]
    assert phone.get_message_types().message_types == ["sms", "voice"]

    assert phone.get_selected_provider().provider == "auth0"
    assert phone.set_provider(provider="twilio").provider == "twilio"
    assert sms.get_selected_provider().provider == "twilio"
    assert sms.set_provider(provider="auth0").provider == "auth0"
    assert phone.get_selected_provider().provider == "auth0"

    assert dump(phone.get_twilio_provider()) == {}
    twilio = {"from": "+15005550006", "sid": "AC0", "auth_token": "not-a-token"}
    assert dump(phone.set_twilio_provider(from_="+15005550006", sid="AC0", auth_token="not-a-token")) == twilio
    assert dump(sms.get_twilio_provider()) == twilio
    sms.set_twilio_provider(from_="+15005550006", sid="AC1", auth_token="not-a-token")
    assert phone.get_twilio_provider().sid == "AC1"

    texts = dump(phone.get_templates())
    assert "{{code}}" in texts["verification_message"].replace(" ", "")
    ours = {"enrollment_message": "Welcome: {{code}}", "verification_message": "Code: {{code}}"}
    assert dump(phone.set_templates(**ours)) == ours
    assert dump(sms.get_templates()) == ours
    assert dump(sms.set_templates(**texts)) == texts
    assert dump(phone.get_templates()) == texts


def test_the_push_providers_are_kept_without_showing_their_secrets(factors):
    push = factors.push_notification
    assert push.get_selected_provider().provider == "guardian"
    assert push.set_provider(provider="sns").provider == "sns"
    assert push.get_selected_provider().provider == "sns"
    push.set_provider(provider="guardian")

    assert push.get_apns_provider().enabled is False
    apns = {"sandbox": True, "bundle_id": "test.example.app"}
    assert dump(push.set_apns_provider(**apns, p_12="bm90LWEta2V5")) == apns
    assert dump(push.get_apns_provider()) == {**apns, "enabled": True}
    push.update_apns_provider(sandbox=False)
    assert dump(push.get_apns_provider()) == {**apns, "sandbox": False, "enabled": True}

    assert push.set_fcm_provider(server_key="not-a-key") == {}
    assert push.update_fcm_provider(server_key=None) == {}
    assert push.set_fcmv_1_provider(server_credentials="{}") == {}
    assert push.update_fcmv_1_provider(server_credentials=None) == {}

    assert dump(push.get_sns_provider()) == {}
    sns = {
        "aws_access_key_id": "AKIAEXAMPLE1",
        "aws_region": "eu-west-1",
        "sns_apns_platform_application_arn": "arn:apns",
        "sns_gcm_platform_application_arn": "arn:gcm",
    }
    push.set_sns_provider(**sns, aws_secret_access_key="not-a-secret")
    assert dump(push.get_sns_provider()) == sns
    push.update_sns_provider(aws_region="us-east-1")
    assert dump(push.get_sns_provider()) == {**sns, "aws_region": "us-east-1"}


def test_duo_is_replaced_by_set_and_merged_by_update(factors):
    settings = factors.duo.settings
    duo = {"ikey": "i", "skey": "s", "host": "duo.example.test"}
    assert dump(settings.get()) == {}
    assert dump(settings.set(**duo)) == duo
    settings.update(host="other.example.test")
    assert dump(settings.get()) == {**duo, "host": "other.example.test"}


def test_an_enrolment_ticket_enrols_once(client, factors, server, new_user):
    factors.set("otp", enabled=True)
    user, _ = new_user()
    enrollments = client.guardian.enrollments
    ticket = enrollments.create_ticket(user_id=user.user_id, send_mail=False)
    assert ticket.ticket_id.startswith("gten_")
    assert ticket.ticket_url.startswith(server.issuer)
    person = Person(server.issuer, user.email, None)
    person.browser.follow_redirects = True
    # Opening the link only looks, so that a mail scanner cannot use it up; the person presses the button.
    welcome = person.browser.get(ticket.ticket_url)
    page = person.submit(welcome, Forms(welcome.text))
    done = person.answer(page, Forms(page.text), "mfa-otp-enrollment-qr")
    assert done.status_code < 400, done.text
    assert "secret=" not in Person(server.issuer, user.email, None).browser.get(ticket.ticket_url).text, "it is used up"

    (enrolled,) = client.users.enrollments.get(user.user_id)
    enrolment = enrollments.get(enrolled.id)
    assert (enrolment.id, enrolment.status) == (enrolled.id, "confirmed")
    enrollments.delete(enrolled.id)
    assert client.users.enrollments.get(user.user_id) == []
    with refused(404, "enrollment_not_found"):
        enrollments.get(enrolled.id)
    with refused(404, "enrollment_not_found"):
        enrollments.delete(enrolled.id)


def test_a_ticket_for_nobody_is_refused(client):
    with refused(404, "inexistent_user"):
        client.guardian.enrollments.create_ticket(user_id=NOBODY)
