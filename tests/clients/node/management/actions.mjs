import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { claims } from "../support/lockstep.mjs";
import { all, client, refused, unique, until, visitor } from "./twin.mjs";

const { actions } = client;
const TRIGGER = "post-login";
const claim = (value) => `exports.onExecutePostLogin = async (event, api) => {
  api.idToken.setCustomClaim("https://acme.example.test/said", ${JSON.stringify(value)});
};`;
const ABSENT = "6f0c2e0e-7a51-4d0f-9c43-2f6f0f3a9b17";

const built = (id) => until(() => actions.get(id), (action) => action.status === "built");
const deployed = (id) => until(() => actions.get(id), (action) => action.all_changes_deployed);
const make = async (properties = {}) => {
  const supported_triggers = [{ id: TRIGGER, version: "v3" }];
  const made = await actions.create({ name: unique("Action"), supported_triggers, code: claim("one"), ...properties });
  await built(made.id);
  return made;
};

describe("actions", () => {
  test("an action is made, listed, changed and removed; its secrets' values are not shown", async () => {
    const made = await make({ secrets: [{ name: "KEY", value: "not-shown" }] });
    const read = await actions.get(made.id);
    assert.deepEqual(read.secrets.map((secret) => secret.name), ["KEY"]);
    assert.ok(!JSON.stringify(read).includes("not-shown"));
    assert.equal(read.runtime, "node22");
    assert.deepEqual(read.supported_triggers, [{ id: TRIGGER, version: "v3" }]);
    assert.deepEqual((await all(actions.list({ actionName: made.name }))).map((action) => action.id), [made.id]);
    await actions.update(made.id, { code: claim("two") });
    assert.equal((await actions.get(made.id)).code, claim("two"));
    await actions.delete(made.id);
    await refused(actions.get(made.id), 404);
  });

  test("versions count up, are read, and an old one is deployed again as a new one", async () => {
    const made = await make();
    const first = await actions.deploy(made.id);
    assert.equal(first.number, 1);
    await deployed(made.id);
    await actions.update(made.id, { code: claim("two") });
    assert.equal((await actions.get(made.id)).all_changes_deployed, false);
    await built(made.id);
    await actions.deploy(made.id);
    await deployed(made.id);

    const { versions } = actions;
    assert.deepEqual((await all(versions.list(made.id))).map((version) => version.number).sort(), [1, 2]);
    assert.equal((await versions.get(made.id, first.id)).code, claim("one"));
    const again = await versions.deploy(made.id, first.id, { update_draft: true });
    assert.equal(again.number, 3);
    await until(() => actions.get(made.id), (action) => action.deployed_version.number === 3);
    assert.equal((await actions.get(made.id)).code, claim("one"));
    await refused(versions.get(made.id, ABSENT), 404);
  });

  test("a bound action is listed and kept from being removed, but it is not run", async () => {
    const made = await make();
    await actions.deploy(made.id);
    await deployed(made.id);
    const { bindings } = actions.triggers;
    assert.deepEqual(await all(bindings.list(TRIGGER)), []);
    const bound = await bindings.updateMany(TRIGGER, { bindings: [{ ref: { type: "action_id", value: made.id } }] });
    assert.deepEqual(bound.bindings.map((binding) => [binding.display_name, binding.action.id]), [[made.name, made.id]]);
    try {
      assert.deepEqual((await all(bindings.list(TRIGGER))).map((binding) => binding.action.id), [made.id]);
      await refused(actions.delete(made.id), 400);
      const { tokens } = await visitor();
      assert.equal(claims(tokens.id_token)["https://acme.example.test/said"], undefined);
      await refused(actions.test(made.id, { payload: { event: {} } }), 501, "not_implemented");
      await refused(actions.executions.get("bm8tc3VjaA"), 404);
    } finally {
      await bindings.updateMany(TRIGGER, { bindings: [] });
    }
    assert.deepEqual(await all(bindings.list(TRIGGER)), []);
    await actions.delete(made.id);
  });

  test("the triggers are listed with their versions", async () => {
    const { triggers } = await actions.triggers.list();
    const current = triggers.find((trigger) => trigger.id === TRIGGER && trigger.status === "CURRENT");
    assert.equal(current.version, "v3");
    assert.ok(current.runtimes.includes(current.default_runtime));
  });
});

describe("modules of actions", () => {
  test("a module is made, published, rolled back and removed", async () => {
    const { modules } = actions;
    const made = await modules.create({ name: unique("module"), code: "module.exports = { one: 1 };" });
    assert.ok((await all(modules.list())).some((module) => module.id === made.id));
    const first = await modules.versions.create(made.id);
    assert.equal(first.version_number, 1);
    assert.equal((await modules.versions.get(made.id, first.id)).code, "module.exports = { one: 1 };");
    await modules.update(made.id, { code: "module.exports = { two: 2 };" });
    assert.equal((await modules.get(made.id)).all_changes_published, false);
    await modules.versions.create(made.id);
    assert.equal((await all(modules.versions.list(made.id))).length, 2);
    await modules.rollback(made.id, { module_version_id: first.id });
    assert.equal((await modules.get(made.id)).code, "module.exports = { one: 1 };");
    assert.deepEqual(await all(modules.listActions(made.id)), []);
    await modules.delete(made.id);
    await refused(modules.get(made.id), 404);
  });
});
