"""Sessions: `client.sessions`, `client.users.sessions`."""

from .words import NOBODY, refused


def test_a_session_is_listed_and_read(client, new_visitor):
    visitor = new_visitor()
    (listed,) = client.users.sessions.list(visitor.id)
    assert listed.user_id == visitor.id
    assert [app.client_id for app in listed.clients] == [visitor.app.client_id]
    read = client.sessions.get(listed.id)
    assert read.id == listed.id
    assert read.authentication.methods[0].name == "pwd"
    assert read.device.initial_user_agent.startswith("Mozilla")


def test_all_sessions_end_and_the_refresh_tokens_live_on(client, new_visitor):
    visitor = new_visitor()
    client.users.sessions.delete(visitor.id)
    assert list(client.users.sessions.list(visitor.id)) == []
    assert visitor.refreshes()
    with refused(404, "inexistent_user"):
        client.users.sessions.list(NOBODY)
