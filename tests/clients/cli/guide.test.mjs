// The guide's shell commands (its items 1-8, 15-17 and 24-26), with the official command-line tool where it is
// installed, with `lockstep api`, which takes the same arguments, and with curl where the guide uses that.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Management, ready } from "../node/support/lockstep.mjs";
import { binary, cleanEnvironment } from "../node/support/server.mjs";

const server = ready();
const domain = new URL(server.issuer).host;
const management = new Management();
const FACTORS = ["sms", "push-notification", "otp", "email", "duo", "webauthn-roaming", "webauthn-platform", "recovery-code"];
const SWITCHED = ["otp", "sms", "push-notification", "webauthn-roaming", "webauthn-platform", "email"];

// A home of its own: the tool keeps its login there, and `lockstep api` looks for the running twin.
const home = mkdtempSync(path.join(tmpdir(), "lockstep-cli-"));
const env = {
  ...cleanEnvironment(),
  HOME: home,
  XDG_CONFIG_HOME: path.join(home, "config"),
  LOCKSTEP_CACHE_DIR: server.cache,
  SSL_CERT_FILE: server.ca,
  AUTH0_CLI_ANALYTICS: "false",
  NO_COLOR: "1",
};
after(() => rmSync(home, { recursive: true, force: true }));

function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { env, encoding: "utf8", timeout: 30_000, stdio: ["ignore", "pipe", "pipe"], ...options });
  if (error) throw error;
  return { status, stdout, stderr };
}

const official = process.env.LOCKSTEP_AUTH0_CLI ?? "auth0";
const officialFound = spawnSync(official, ["--version"], { env }).status === 0;

const tools = [
  { name: "lockstep api", api: (...args) => run(binary(), ["api", ...args]) },
  {
    name: "the official tool",
    skip: officialFound ? false : "the official tool is not installed here",
    login: () => {
      const { management: machine } = server;
      const args = ["--domain", domain, "--client-id", machine.client_id, "--client-secret", machine.client_secret];
      const { status, stderr } = run(official, ["login", ...args, "--no-input"]);
      assert.equal(status, 0, stderr);
    },
    api: (...args) => run(official, ["api", ...args]),
  },
];

/** Runs a command that must succeed; returns the JSON that it printed. */
function json({ status, stdout, stderr }) {
  assert.equal(status, 0, `exit ${status}\n${stdout}\n${stderr}`);
  return JSON.parse(stdout);
}

for (const { name, skip = false, login = () => {}, api } of tools) {
  describe(name, { skip }, () => {
    let person;
    before(async () => {
      login();
      for (const factor of SWITCHED) await management.put(`guardian/factors/${factor}`, { enabled: false });
      await management.put("guardian/policies", []);
      person = await management.person();
    });

    test("1, 24: get guardian/factors lists all eight", () => {
      const factors = json(api("get", "guardian/factors"));
      assert.deepEqual(factors.map((factor) => factor.name), FACTORS);
    });

    for (const [index, factor] of SWITCHED.entries()) {
      test(`${index + 2}: put guardian/factors/${factor} switches it on, and again changes nothing`, () => {
        for (let times = 0; times < 2; times += 1) {
          assert.deepEqual(json(api("put", `guardian/factors/${factor}`, "--data", '{"enabled": true}')), { enabled: true });
        }
        const listed = json(api("get", "guardian/factors")).find((entry) => entry.name === factor);
        assert.equal(listed.enabled, true);
      });
    }

    test("8, 26: patch guardian/policies takes the bare list, and get shows it", () => {
      for (const policy of ['["all-applications"]', "[]"]) {
        assert.deepEqual(json(api("patch", "guardian/policies", "--data", policy)), JSON.parse(policy));
        assert.deepEqual(json(api("get", "guardian/policies")), JSON.parse(policy));
      }
    });

    test("8: an unknown policy and the object form are refused, and change nothing", () => {
      for (const policy of ['["now-and-then"]', '{"policies":["all-applications"]}']) {
        const { status, stdout, stderr } = api("patch", "guardian/policies", "--data", policy);
        assert.equal(status, 1, policy);
        assert.match(stdout + stderr, /invalid_body/);
      }
      assert.deepEqual(json(api("get", "guardian/policies")), []);
    });

    test("17: post guardian/enrollments/ticket", () => {
      const data = JSON.stringify({ user_id: person.id, send_mail: true });
      const ticket = json(api("post", "guardian/enrollments/ticket", "--data", data));
      assert.ok(ticket.ticket_id);
      assert.equal(new URL(ticket.ticket_url).host, domain);
    });

    test("25: get users/USER_ID/authenticators is a bare list", async () => {
      assert.deepEqual(json(api("get", `users/${person.id}/authenticators`)), []);
      await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, {
        type: "totp",
        name: "App",
        totp_secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
      });
      const listed = json(api("get", `users/${person.id}/authenticators`));
      assert.deepEqual(listed.map((entry) => [entry.type, entry.authenticator_type, entry.active]), [["totp", "otp", true]]);
    });

    test("an answer of 404 is printed and the exit status is 1", () => {
      const { status, stdout, stderr } = api("get", "users/auth0|000000000000000000000000");
      assert.equal(status, 1);
      assert.match(stdout + stderr, /inexistent_user/);
    });
  });
}

describe("curl", () => {
  const curl = async (method, path, data) => {
    const token = await management.token();
    const result = run("curl", [
      "--silent", "--show-error", "--cacert", server.ca, "-X", method, `https://${domain}/api/v2/${path}`,
      "-H", `Authorization: Bearer ${token}`, "-w", "\n%{http_code}",
      ...(data === undefined ? [] : ["-H", "Content-Type: application/json", "-d", data]),
    ]);
    assert.equal(result.status, 0, result.stderr);
    const end = result.stdout.lastIndexOf("\n");
    return { status: Number(result.stdout.slice(end + 1)), body: result.stdout.slice(0, end) };
  };

  test("15-17: list, ticket and delete with the user's id as it is, bar and all", async () => {
    const person = await management.person();
    await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, {
      type: "totp",
      name: "App",
      totp_secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    });
    const listed = await curl("GET", `users/${person.id}/authenticators`);
    assert.equal(listed.status, 200);
    const [entry] = JSON.parse(listed.body);
    assert.match(entry.id, /^totp\|dev_/);

    assert.equal((await curl("DELETE", `users/${person.id}/authenticators/`)).status, 404, "an empty id deletes nothing");
    assert.equal(JSON.parse((await curl("GET", `users/${person.id}/authenticators`)).body).length, 1);

    const ticket = await curl("POST", "guardian/enrollments/ticket", JSON.stringify({ user_id: person.id, send_mail: true }));
    assert.equal(ticket.status, 200);
    assert.ok(JSON.parse(ticket.body).ticket_url);

    assert.deepEqual(await curl("DELETE", `users/${person.id}/authenticators/${entry.id}`), { status: 204, body: "" });
    assert.equal((await curl("DELETE", `users/${person.id}/authenticators/${entry.id}`)).status, 404);
    assert.deepEqual(JSON.parse((await curl("GET", `users/${person.id}/authenticators`)).body), []);
  });
});
