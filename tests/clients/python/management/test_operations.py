"""Logs, attack protection."""

import pytest

from .words import dump, refused


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
