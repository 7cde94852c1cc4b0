"""What Lockstep does not have (docs/COMPATIBILITY.md): lists are empty, everything else is refused with a clear error."""

import inspect
from pathlib import Path

import pytest
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError

from .recorder import methods_of
from .words import refused

# Methods that only have to be refused clearly, by the beginning of their name, with the reason.
OUT_OF_SCOPE = {
    "actions.executions": "Actions are stored, not run",
    "actions.test": "Actions are stored, not run",
    "agents": "no agents",
    "anomaly.blocks.check_ip": "no address is throttled",
    "attack_protection.captcha_policies": "not in the documented API",
    "client_grants.search": "not in the documented API",
    "client_profiles": "not in the documented API",
    "clients.preview_cimd_metadata": "no clients by metadata documents",
    "clients.register_cimd_client": "no clients by metadata documents",
    "clients.search": "not in the documented API",
    "connection_profiles": "no connections of enterprises",
    "connections.directory_provisioning": "no connections of enterprises",
    "connections.keys": "no connections of enterprises, whose keys these are",
    "connections.scim_configuration": "no SCIM",
    "custom_domains": "one server has one domain",
    "event_streams": "no event streams",
    "events.subscribe": "no event streams",
    "experimentation": "no experiments",
    "flows": "no flows",
    "forms": "no forms",
    "groups": "no groups",
    "guardian.factors.email": "the lengths and lifetimes of codes are fixed",
    "guardian.factors.phone.get": "the lengths and lifetimes of codes are fixed",
    "guardian.factors.phone.set": "the lengths and lifetimes of codes are fixed",
    "hooks": "no hooks, which Actions replaced",
    "keys.custom_signing": "keys are made here",
    "keys.encryption.import_": "the key at rest is the operator's",
    "keys.encryption.rekey": "the key at rest is the operator's",
    "keys.network_acls": "no network ACLs",
    "network_acls": "no network ACLs",
    "organizations": "no organizations",
    "rate_limit_policies": "no rate-limit policies",
    "resource_servers.search": "not in the documented API",
    "roles.groups": "no groups",
    "rules": "no rules, which Actions replaced",
    "rules_configs": "no rules, which Actions replaced",
    "self_service_profiles": "no connections of enterprises",
    "token_exchange_profiles": "no token exchange",
    "user_attribute_profiles": "no connections of enterprises",
    "users.effective_permissions.sources": "no groups",
    "users.effective_roles.sources": "no groups",
    "verifiable_credentials": "no verifiable credentials",
}
# How it is said that something is not there.
CLEARLY = (403, 404, 501)
# What has to stand in a call for the answer to come from behind the checks of it.
ARGUMENTS = {
    "actions.test": (["none"], {"payload": {}}),
    "anomaly.blocks.check_ip": (["203.0.113.9"], {}),
}
METHODS = list(methods_of(ManagementClient(domain="nobody.example.test", token="none")))


def line_of(method):
    """The line of the table that a method falls under; `phone.get` is a method, not the beginning of `phone.get_templates`."""
    return next((line for line in OUT_OF_SCOPE if method == line or method.startswith(f"{line}.")), None)


def follow(client, path):
    for name in path.split("."):
        client = getattr(client, name)
    return client


def placeholders(method):
    """Something for each argument that a method needs."""
    needed = [each for each in inspect.signature(method).parameters.values() if each.default is each.empty]
    named = [each.name for each in needed if each.kind is each.KEYWORD_ONLY]
    return ["none"] * (len(needed) - len(named)), dict.fromkeys(named, "none")


@pytest.mark.parametrize(
    "path",
    [
        "rules",
        "rules_configs",
        "hooks",
        "forms",
        "flows",
        "flows.vault.connections",
        "self_service_profiles",
        "network_acls",
        "user_attribute_profiles",
        "connection_profiles",
        "token_exchange_profiles",
        "event_streams",
        "rate_limit_policies",
        "organizations",
        "groups",
        "custom_domains",
        "connections.scim_configuration",
        "connections.directory_provisioning",
    ],
)
def test_a_list_is_empty(client, path):
    assert list(follow(client, path).list()) == []


def test_the_domain_is_the_only_one(client, server):
    assert client.custom_domains.get_default().domain == server.domain
    with refused(403, "operation_not_supported"):
        client.custom_domains.create(domain="login.example.test", type="auth0_managed_certs")
    with refused(404):
        client.custom_domains.get("cd_0000000000000000")


def test_there_are_no_organizations(client):
    with refused(404):
        client.organizations.get("org_0000000000000000")
    with refused(404):
        client.organizations.get_by_name("acme")
    with refused(403, "operation_not_supported"):
        client.organizations.create(name="acme")


@pytest.mark.parametrize("line", OUT_OF_SCOPE)
def test_each_method_that_is_not_there_says_so(client, recorder, line):
    methods = [method for method in METHODS if line_of(method) == line]
    assert methods, "the client has nothing by this name"
    for method in methods:
        if method in recorder.answered:
            continue
        ids, body = ARGUMENTS.get(method) or placeholders(follow(recorder.plain, method))
        with pytest.raises(ApiError) as error:
            answer = follow(client, method)(*ids, **body)
            if inspect.isgenerator(answer):
                answer = list(answer)  # a stream asks when it is read
            pytest.fail(f"{method} answered {answer}")
        assert error.value.status_code in CLEARLY, method
        assert error.value.body["statusCode"] == error.value.status_code, method


def test_every_method_has_answered_or_is_out_of_scope_for_a_reason(recorder, request):
    if not {item.path for item in request.session.items}.issuperset(Path(__file__).parent.glob("test_*.py")):
        pytest.skip("only a part of the folder was chosen")
    assert len(METHODS) > 400, "the client's methods are found"
    assert [method for method in METHODS if method not in recorder.answered and line_of(method) is None] == []
