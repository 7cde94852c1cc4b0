// What Lockstep does not have (docs/COMPATIBILITY.md): lists are empty, everything else is refused with a clear error.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { methodsOf } from "./recorder.mjs";
import { all, client, connect, domain, recorder, refused } from "./twin.mjs";

/** Methods that only have to be refused clearly, by the beginning of their name, with the reason. */
export const OUT_OF_SCOPE = {
  "actions.executions": "Actions are stored, not run",
  "actions.test": "Actions are stored, not run",
  agents: "no agents",
  "anomaly.blocks.checkIp": "no address is throttled",
  "clients.previewCimdMetadata": "no clients by metadata documents",
  "clients.registerCimdClient": "no clients by metadata documents",
  connectionProfiles: "no connections of enterprises",
  "connections.directoryProvisioning": "no connections of enterprises",
  "connections.keys": "no connections of enterprises, whose keys these are",
  "connections.scimConfiguration": "no SCIM",
  customDomains: "one server has one domain",
  eventStreams: "no event streams",
  "events.subscribe": "no event streams",
  experimentation: "no experiments",
  flows: "no flows",
  forms: "no forms",
  groups: "no groups",
  "guardian.factors.email": "the lengths and lifetimes of codes are fixed",
  "guardian.factors.phone.get": "the lengths and lifetimes of codes are fixed",
  "guardian.factors.phone.set": "the lengths and lifetimes of codes are fixed",
  hooks: "no hooks, which Actions replaced",
  "keys.customSigning": "keys are made here",
  "keys.encryption.import": "the key at rest is the operator's",
  "keys.encryption.rekey": "the key at rest is the operator's",
  "keys.networkAcls": "no network ACLs",
  networkAcls: "no network ACLs",
  organizations: "no organizations",
  rateLimitPolicies: "no rate-limit policies",
  "resourceServers.search": "not in the documented API",
  "roles.groups": "no groups",
  rules: "no rules, which Actions replaced",
  rulesConfigs: "no rules, which Actions replaced",
  selfServiceProfiles: "no connections of enterprises",
  tokenExchangeProfiles: "no token exchange",
  userAttributeProfiles: "no connections of enterprises",
  "users.effectivePermissions.sources": "no groups",
  "users.effectiveRoles.sources": "no groups",
  verifiableCredentials: "no verifiable credentials",
};

/** Stands for an identifier in the path, for an empty request or for its options, as the method wants it. */
const ANY = { toString: () => "none" };
/** What has to stand in a call for the answer to come from behind the checks of it. */
const ARGUMENTS = {
  "actions.test": ["none", { payload: {} }],
  "anomaly.blocks.checkIp": ["203.0.113.9"],
  "keys.encryption.import": ["none", { wrapped_key: "none" }],
};
/** How it is said that something is not there. */
const CLEARLY = [403, 404, 501];
const METHODS = methodsOf(connect());

/** The line of the table that a method falls under; `phone.get` is a method and not the beginning of `phone.getTemplates`. */
const lineOf = (method) => Object.keys(OUT_OF_SCOPE).find((line) => method === line || method.startsWith(`${line}.`));

describe("what is not there", () => {
  test("lists are empty", async () => {
    for (const list of [
      () => client.rules.list(),
      () => client.hooks.list(),
      () => client.forms.list(),
      () => client.flows.list(),
      () => client.flows.vault.connections.list(),
      () => client.selfServiceProfiles.list(),
      () => client.networkAcls.list(),
      () => client.userAttributeProfiles.list(),
      () => client.connectionProfiles.list(),
      () => client.tokenExchangeProfiles.list(),
      () => client.eventStreams.list(),
      () => client.rateLimitPolicies.list(),
      () => client.organizations.list(),
      () => client.groups.list(),
      () => client.connections.scimConfiguration.list(),
      () => client.connections.directoryProvisioning.list(),
    ]) {
      assert.deepEqual(await all(list()), [], `${list}`);
    }
    assert.deepEqual(await client.rulesConfigs.list(), []);
    assert.deepEqual(await client.customDomains.list(), []);
    assert.deepEqual((await client.customDomains.getDefault()).domain, domain);
  });

  test("there are no organizations, and one domain", async () => {
    const domain = { domain: "login.example.test", type: "auth0_managed_certs" };
    await refused(client.customDomains.create(domain), 403, "operation_not_supported");
    await refused(client.customDomains.get("cd_0000000000000000"), 404);
    await refused(client.organizations.get("org_0000000000000000"), 404);
    await refused(client.organizations.getByName("acme"), 404);
    await refused(client.organizations.create({ name: "acme" }), 403, "operation_not_supported");
  });

  for (const [line, reason] of Object.entries(OUT_OF_SCOPE)) {
    test(`${line}: ${reason}, and each method says so`, async () => {
      const methods = METHODS.filter((method) => lineOf(method) === line);
      assert.notEqual(methods.length, 0, "the client has nothing by this name");
      for (const method of methods) {
        if (recorder.answered.has(method)) continue;
        const path = method.split(".");
        const part = path.slice(0, -1).reduce((found, name) => found[name], client);
        const call = Promise.resolve(part[path.at(-1)](...(ARGUMENTS[method] ?? [ANY, ANY, ANY, ANY])));
        await assert.rejects(
          call,
          (error) => {
            assert.ok(CLEARLY.includes(error.statusCode), `${method}: ${error}`);
            assert.equal(error.body?.statusCode, error.statusCode, method);
            return true;
          },
          `${method} answered`,
        );
      }
    });
  }
});

describe("the whole client", () => {
  test("any other request has the client's token too", async () => {
    const answer = await client.fetch("guardian/factors/webauthn-platform/settings");
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).overrideRelyingParty, false);
  });

  test("every method has answered, or is out of scope for a reason", () => {
    assert.ok(METHODS.length > 400, "the client's methods are found");
    assert.deepEqual(
      METHODS.filter((method) => !recorder.answered.has(method) && lineOf(method) === undefined),
      [],
    );
  });
});
