"""The suite "schema": sends what the server's own OpenAPI document allows, and what it forbids, and looks at each answer.

Usage: run.py [SECONDS [seed]]      default: 60 seconds, a seed that is printed

It fails at any 500, and at any answer whose status, content type or body the document does not tell. Ends with the line that bin/test counts.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import requests  # noqa: E402
from server import Server  # noqa: E402

# No "not_a_server_error": that counts the documented 501 of what is not built. A 500 is in no document, so it fails the first of these.
CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"

# What is made first, so that not every path leads nowhere: path of the list, body, the path of one, its parameter, the id's name.
MADE = [
    ("/users", {"connection": "Username-Password-Authentication", "email": "schema@example.com",
                "password": "a-long-Passw0rd!"}, "/users/{id}", "id", "user_id"),
    ("/clients", {"name": "Schema"}, "/clients/{id}", "id", "client_id"),
    ("/resource-servers", {"identifier": "https://schema.test", "scopes": [{"value": "read:x"}]},
     "/resource-servers/{id}", "id", "id"),
    ("/connections", {"name": "schema", "strategy": "auth0"}, "/connections/{id}", "id", "id"),
    ("/roles", {"name": "schema"}, "/roles/{id}", "id", "id"),
    ("/log-streams", {"name": "schema", "type": "http", "sink": {"httpEndpoint": "https://schema.test/"}},
     "/log-streams/{id}", "id", "id"),
    ("/actions/actions", {"name": "schema", "supported_triggers": [{"id": "post-login"}], "code": ""},
     "/actions/actions/{id}", "id", "id"),
]
# What is there from the start.
FIXED = {
    "/guardian/factors/{name}": {"name": "otp"},
    "/email-templates/{name}": {"name": "reset_email"},
    "/prompts/{prompt}": {"prompt": "login", "screen": "login", "language": "en"},
    "/actions/triggers/{id}": {"id": "post-login"},
}


def make_ids(server, bearer):
    """Makes one of each, and returns the parameters of the paths that lead to them."""
    ids = dict(FIXED)
    for path, body, one, parameter, name in MADE:
        url = f"{server.issuer}api/v2{path}"
        answer = requests.post(url, json=body, headers={"Authorization": f"Bearer {bearer}"}, timeout=30)
        answer.raise_for_status()
        ids[one] = {parameter: answer.json()[name]}
    return ids


def token(server):
    """A machine token with every scope."""
    body = {
        "grant_type": "client_credentials",
        "audience": f"{server.issuer}api/v2/",
        **server.ready["management"],
    }
    answer = requests.post(f"{server.issuer}oauth/token", json=body, timeout=30)
    answer.raise_for_status()
    return answer.json()["access_token"]


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"--- {seconds} s, seed {seed}", flush=True)
    server = Server()
    try:
        bearer = token(server)
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(Path(__file__).parent),
            "LOCKSTEP_SCHEMA_IDS": json.dumps(make_ids(server, bearer)),
        }
        command = [
            str(Path(sys.executable).parent / "st"), "run", f"{server.issuer}api/v2/openapi.json",
            "--header", f"Authorization: Bearer {bearer}",
            "--tls-verify", server.ready["ca"],
            "--checks", CHECKS,
            "--phases", "examples,coverage,fuzzing",
            "--max-time", str(seconds),
            "--seed", str(seed),
            "--max-examples", "1000000",
            "--continue-on-failure",
            # A connection that a busy machine dropped is no answer; a handler that panics drops it again.
            "--request-retries", "2",
            "--generation-database", "none",
            "--warnings", "off",
            "--workers", "1",
            "--no-color",
        ]
        status = subprocess.run(command, timeout=seconds + 300, check=False, env=environment).returncode
    finally:
        server.stop()
    print(f"schema: {int(status == 0)} passed, {int(status != 0)} failed")
    sys.exit(status)


if __name__ == "__main__":
    main()
