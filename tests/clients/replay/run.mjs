// The suite "replay": recorded Management API interactions, sent to this server and compared.
// LOCKSTEP_RECORDINGS is their folder, LOCKSTEP_REPLAY the program that replays them.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "../node/support/server.mjs";

// How many per cent of an area's interactions must match. What does not match stands in docs/COMPATIBILITY.md.
const FLOORS = {
  actions: 97, "attack-protection": 100, branding: 98, "client-grants": 100, clients: 97, connections: 96, "email-templates": 100, emails: 100,
  guardian: 97, keys: 97, "log-streams": 98, logs: 83, mixed: 97, prompts: 97, "resource-servers": 94, "risk-assessments": 100, roles: 100,
  tenants: 98, users: 100,
};

const recordings = process.env.LOCKSTEP_RECORDINGS;
const program = process.env.LOCKSTEP_REPLAY ?? path.join(recordings, "..", "tools", "replay.py");
const document = fileURLToPath(new URL("../../../docs/COMPATIBILITY.md", import.meta.url));
const HEADING = "## What the recordings show and Lockstep answers otherwise";

async function send(server, method, address, body, token) {
  const response = await fetch(server.http.replace(/\/$/, "") + address, {
    method,
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${address} answered ${response.status}: ${text}`);
  return text && JSON.parse(text);
}

async function requestToken(server) {
  const audience = `${server.issuer}api/v2/`;
  const body = { grant_type: "client_credentials", ...server.management, audience };
  return (await send(server, "POST", "/oauth/token", body)).access_token;
}

/** What the recorder's tenant had and a new one of ours has not: usernames in the database connection; and no demo API. */
async function prepare(server) {
  const token = await requestToken(server);
  // The demo API has the address that the recorder's tests make an API of.
  await send(server, "DELETE", `/api/v2/resource-servers/${encodeURIComponent("https://api.example.com/")}`, undefined, token);
  const [connection] = await send(server, "GET", "/api/v2/connections?name=Username-Password-Authentication", undefined, token);
  const options = { ...connection.options, requires_username: true, validation: { username: { min: 1, max: 22 } } };
  await send(server, "PATCH", `/api/v2/connections/${connection.id}`, { options }, token);
}

/** What the recorder's tenant had in its log: the sixth to tenth newest records, which the recording reads, told of tokens. */
async function prepareLog(server) {
  for (let n = 0; n < 10; n += 1) await requestToken(server);
}

/** Replays in the order of the areas: several read what earlier ones have set. Returns a result for each interaction. */
async function replay(prepare, ...only) {
  const folder = mkdtempSync(path.join(tmpdir(), "lockstep-replay-"));
  const server = await startServer();
  try {
    await prepare(server);
    const out = path.join(folder, "results.json");
    const { status, error } = spawnSync(
      "python3",
      [
        program, "--base", server.http, "--audience", `${server.issuer}api/v2/`,
        "--client-id", server.management.client_id, "--client-secret", server.management.client_secret,
        "--json", out, ...only, recordings,
      ],
      { stdio: "inherit", timeout: 900_000 },
    );
    if (error) throw error;
    if (status !== 0) throw new Error(`${program} ended with ${status}`);
    return JSON.parse(readFileSync(out, "utf8")).results;
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

let passed = 0;
let failed = 0;
const check = (name, problem) => {
  console.log(problem ? `FAILED ${name}: ${problem}` : `ok ${name}`);
  if (problem) failed += 1;
  else passed += 1;
};

try {
  const results = await replay(prepare);
  const areas = new Set([...Object.keys(FLOORS), ...results.map((result) => result.area)]);
  for (const area of [...areas].sort()) {
    const all = results.filter((result) => result.area === area);
    const matching = all.filter((result) => result.full).length;
    const share = all.length === 0 ? 0 : (100 * matching) / all.length;
    const told = `${matching} of ${all.length} match (${share.toFixed(1)} %)`;
    const floor = FLOORS[area];
    if (floor === undefined) check(`${area}, ${told}`, "it has no floor in run.mjs");
    else check(`${area}, ${told}`, share < floor && `at least ${floor} % were expected`);
  }
  // What does not match is named with its reason, and nothing that does: rows of "| `recording` | numbers | …".
  const [, section = ""] = readFileSync(document, "utf8").split(`${HEADING}\n`);
  const rows = section.split("\n## ")[0].matchAll(/^\| `([^`]+)` \| ([\d, ]+) \|/gm);
  const named = new Set([...rows].flatMap(([, scenario, numbers]) => numbers.split(",").map((n) => `${scenario} ${n.trim()}`)));
  const name = ({ scenario, n }) => `${scenario} ${n}`;
  const other = results.filter((result) => !result.full).map(name);
  const unnamed = other.filter((one) => !named.has(one));
  check("COMPATIBILITY.md names what does not match", unnamed.length > 0 && `not ${unnamed.join(", ")}`);
  const outdated = [...named].filter((one) => !other.includes(one));
  check("COMPATIBILITY.md names nothing that does", outdated.length > 0 && `but ${outdated.join(", ")}`);
  const logs = await replay(prepareLog, "--only", "logs");
  const differing = logs.filter((result) => !result.full).map((result) => `${name(result)}: ${result.problems.join(", ")}`);
  check("logs, after token requests, match all", (logs.length !== 6 || differing.length > 0) && `${logs.length}, not ${differing.join("; ")}`);
} catch (error) {
  console.error(error);
  failed += 1;
}
console.log(`replay: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
