// The official tool's commands as a story (commands.mjs): with the tool where it is installed, else by what it sends, which was recorded
// (requests.jsonl, by record.mjs) and must be answered alike.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Management, ready } from "../node/support/lockstep.mjs";
import { cleanEnvironment } from "../node/support/server.mjs";
import { COMMANDS, tell } from "./commands.mjs";

const server = ready();
const official = process.env.LOCKSTEP_AUTH0_CLI ?? "auth0";
const installed = spawnSync(official, ["--version"]).status === 0;
const recorded = new URL("requests.jsonl", import.meta.url);

test("the official tool runs every command", { skip: installed ? false : "the official tool is not installed here" }, async () => {
  const home = mkdtempSync(path.join(tmpdir(), "lockstep-cli-"));
  after(() => rmSync(home, { recursive: true, force: true }));
  const env = { ...cleanEnvironment(), HOME: home, XDG_CONFIG_HOME: home, SSL_CERT_FILE: server.ca, AUTH0_CLI_ANALYTICS: "false", NO_COLOR: "1" };
  const run = (args) => spawnSync(official, args, { env, encoding: "utf8", timeout: 30_000, stdio: ["ignore", "pipe", "pipe"] });
  const { client_id: id, client_secret: secret } = server.management;
  const login = run(["login", "--domain", new URL(server.issuer).host, "--client-id", id, "--client-secret", secret, "--no-input"]);
  assert.equal(login.status, 0, login.stderr);
  await tell(run);
});

/** Notes which of our ids stands for which recorded one, wherever both answers name one. */
function learn(then, now, ids) {
  if (Array.isArray(then) && then.length !== now?.length) return;
  for (const [name, one] of Object.entries(then ?? {})) {
    if (typeof one === "string" && one !== "" && typeof now?.[name] === "string") ids.set(one, now[name]);
    else if (one !== null && typeof one === "object") learn(one, now?.[name], ids);
  }
}

/** Where an answer lacks what the recorded one has, or has it as another type. */
function differences(then, now, place = "") {
  const type = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);
  if (type(then) !== type(now)) return [`${place || "body"}: ${type(then)} then, ${type(now)} now`];
  if (type(then) === "object") return Object.entries(then).flatMap(([name, one]) => differences(one, now[name], `${place}.${name}`));
  return [];
}

// The story begins at an empty tenant: where the tool itself has told it, it cannot be told again.
const retold = installed ? "the official tool itself was run" : false;
test("what the tool sends is answered as it was when it was recorded", { skip: retold }, async () => {
  assert.ok(existsSync(recorded), "requests.jsonl is missing: make it with record.mjs");
  const lines = readFileSync(recorded, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const told = new Set(lines.map((line) => line.command));
  // Each command that talks to the Management API is there: a new one has to be recorded.
  const silent = ["test token"];
  const missing = COMMANDS.map(({ run }) => run.join(" ")).filter((name) => !told.has(name) && !silent.some((start) => name.startsWith(start)));
  assert.deepEqual(missing, []);
  const token = await new Management().token();
  const ids = new Map();
  const current = (text) => {
    let now = text;
    for (const [then, other] of ids) now = now.replaceAll(then, other).replaceAll(encodeURIComponent(then), encodeURIComponent(other));
    return now;
  };
  for (const line of lines) {
    if (line.setup) continue;
    const answer = await fetch(`${server.issuer.slice(0, -1)}${current(line.path).replaceAll("DOMAIN", encodeURIComponent(new URL(server.issuer).host))}`, {
      method: line.method,
      headers: { authorization: `Bearer ${token}`, ...(line.request !== null && { "content-type": "application/json" }) },
      body: line.request === null ? undefined : current(JSON.stringify(line.request)),
    });
    const text = await answer.text();
    const name = `auth0 ${line.command}: ${line.method} ${line.path}`;
    assert.equal(answer.status, line.status, `${name}: ${text}`);
    const body = text === "" ? null : JSON.parse(text);
    assert.deepEqual(differences(line.response, body), [], name);
    learn(line.response, body, ids);
  }
});
