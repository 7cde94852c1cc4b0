// The suite "replay": recorded Management API interactions, sent to this server and compared.
// LOCKSTEP_RECORDINGS is their folder, LOCKSTEP_REPLAY the program that replays them.

import { spawnSync } from "node:child_process";
import path from "node:path";
import { startServer } from "../node/support/server.mjs";

// How many per cent of an area's interactions must match.
const FLOORS = {
  actions: 95, keys: 95, "log-streams": 95, guardian: 95, users: 80, emails: 95, "email-templates": 100, branding: 97,
  "attack-protection": 97, "risk-assessments": 97, mixed: 95, prompts: 95, clients: 97, connections: 95, "client-grants": 97, "resource-servers": 92,
  roles: 97, tenants: 97,
};

const recordings = process.env.LOCKSTEP_RECORDINGS;
const program = process.env.LOCKSTEP_REPLAY ?? path.join(recordings, "..", "tools", "replay.py");

/** What the recorder's tenant had and a new one of ours has not: usernames in the database connection; and no demo API. */
async function prepare(server) {
  const send = async (method, address, body, token) => {
    const response = await fetch(server.http.replace(/\/$/, "") + address, {
      method,
      headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${address} answered ${response.status}: ${text}`);
    return text && JSON.parse(text);
  };
  const { access_token: token } = await send("POST", "/oauth/token", {
    grant_type: "client_credentials",
    ...server.management,
    audience: `${server.issuer}api/v2/`,
  });
  // The demo API has the address that the recorder's tests make an API of.
  await send("DELETE", `/api/v2/resource-servers/${encodeURIComponent("https://api.example.com/")}`, undefined, token);
  const [connection] = await send("GET", "/api/v2/connections?name=Username-Password-Authentication", undefined, token);
  const options = { ...connection.options, requires_username: true, validation: { username: { min: 1, max: 22 } } };
  await send("PATCH", `/api/v2/connections/${connection.id}`, { options }, token);
}

let passed = 0;
let failed = 0;
for (const [area, floor] of Object.entries(FLOORS)) {
  console.log(`--- ${area}: at least ${floor} %`);
  let server;
  try {
    server = await startServer();
    await prepare(server);
    const { status, error } = spawnSync(
      "python3",
      [
        program, "--base", server.http, "--audience", `${server.issuer}api/v2/`,
        "--client-id", server.management.client_id, "--client-secret", server.management.client_secret,
        "--only", area, "--min", String(floor), recordings,
      ],
      { stdio: "inherit", timeout: 600_000 },
    );
    if (error) throw error;
    if (status === 0) passed += 1;
    else failed += 1;
  } catch (error) {
    console.error(error);
    failed += 1;
  } finally {
    await server?.stop();
  }
}
console.log(`replay: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
