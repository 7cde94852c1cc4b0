// A tenant moves: export of a configured one, import into an empty one, export of that; the two exports are equal.
//
// What is left out of the comparison is what an export cannot carry: secrets that the tool masks, and ids.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Management, ready } from "../node/support/lockstep.mjs";
import { startServer } from "../node/support/server.mjs";
import { addStrangers, configure, strangers } from "./tenant.mjs";

// What the tool puts a mark for, and wants to be told at the import.
const SECRETS = { LOGSTREAMS_HTTP_SECRET: "Bearer sink" };
const tool = fileURLToPath(new URL("node_modules/.bin/a0deploy", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "lockstep-deploy-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A server of its own, with the certificate authority that this process trusts since its start. */
const freshServer = () => startServer({ env: { LOCKSTEP_CACHE_DIR: ready().cache } });

/** Runs the tool against a server; it must succeed, and must not have skipped a thing that we have. */
async function deploy(server, args, env = {}) {
  const child = spawn(tool, args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env.PATH, HOME: folder, NO_COLOR: "1", NODE_EXTRA_CA_CERTS: server.ca, AUTH0_DOMAIN: new URL(server.issuer).host,
      AUTH0_CLIENT_ID: server.management.client_id, AUTH0_CLIENT_SECRET: server.management.client_secret,
      AUTH0_API_MAX_RETRIES: "1", ...env,
    },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const status = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(status, 0, output);
  return output;
}

/** The files of a folder and those below it. */
function filesOf(root) {
  const all = readdirSync(root, { recursive: true }).sort();
  return all.filter((file) => !statSync(path.join(root, file)).isDirectory());
}

/** Exports to a folder of its own; returns what was written, file by file, and by whom. */
async function exported(server, name, format) {
  const output = path.join(folder, name);
  await deploy(server, ["export", "--format", format, "--output_folder", output]);
  const files = Object.fromEntries(filesOf(output).map((file) => [file, readFileSync(path.join(output, file), "utf8")]));
  return { output, files, domain: new URL(server.issuer).host };
}

/** A copy of an export for another domain, as whoever moves a tenant has to make it: the tool carries the domain along. */
function moved({ output, domain }, server) {
  const copy = mkdtempSync(path.join(folder, "moved-"));
  cpSync(output, copy, { recursive: true });
  for (const file of filesOf(copy)) {
    const text = readFileSync(path.join(copy, file), "utf8");
    writeFileSync(path.join(copy, file), text.replaceAll(domain, new URL(server.issuer).host));
  }
  return copy;
}

/** Two exports have the same files with the same lines; else it says which. */
function assertAlike(one, other) {
  const { status, stdout, stderr } = spawnSync("diff", ["--recursive", "--unified=3", one, other], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
}

for (const format of ["yaml", "directory"]) {
  describe(`as ${format}`, () => {
    let first;

    test("a configured tenant is exported", async () => {
      const server = await freshServer();
      try {
        await configure(new Management(server));
        first = await exported(server, `${format}-first`, format);
        const all = Object.values(first.files).join("\n");
        for (const told of ["Shop", "https://orders.acme.test/", "clerk", "Welcome to Acme", "Ask the careful", "siem", "Ihr Code"]) {
          assert.ok(all.includes(told), `the export says nothing of ${told}`);
        }
        for (const secret of ["smtp-secret", "action-secret"]) assert.ok(!all.includes(secret), `${secret} is in the export`);
      } finally {
        await server.stop();
      }
    });

    for (const mayDelete of [false, true]) {
      test(`and imported elsewhere it is the same, AUTH0_ALLOW_DELETE=${mayDelete}`, async () => {
        const server = await freshServer();
        try {
          const management = new Management(server);
          await addStrangers(management);
          const copy = moved(first, server);
          const input = format === "yaml" ? path.join(copy, "tenant.yaml") : copy;
          const env = { AUTH0_ALLOW_DELETE: String(mayDelete), AUTH0_KEYWORD_REPLACE_MAPPINGS: JSON.stringify(SECRETS) };
          await deploy(server, ["import", "--input_file", input], env);
          const left = await strangers(management);
          assert.deepEqual(left, mayDelete ? [] : ["Strange API", "Stranger", "stranger"]);
          if (mayDelete) {
            const second = await exported(server, `${format}-second`, format);
            assertAlike(copy, second.output);
            // Once more changes nothing.
            await deploy(server, ["import", "--input_file", input], env);
            const third = await exported(server, `${format}-third`, format);
            assertAlike(second.output, third.output);
          }
        } finally {
          await server.stop();
        }
      });
    }
  });
}

test("a file about MFA alone changes nothing else", async () => {
  const server = ready();
  const management = new Management(server);
  const before = await management.get("clients?per_page=100");
  const file = path.join(folder, "guardian.yaml");
  writeFileSync(file, "guardianFactors:\n  - name: otp\n    enabled: true\nguardianPolicies:\n  policies:\n    - all-applications\n");
  await deploy(server, ["import", "--input_file", file], { AUTH0_ALLOW_DELETE: "true" });
  assert.deepEqual(await management.get("guardian/policies"), ["all-applications"]);
  assert.ok((await management.get("guardian/factors")).find((factor) => factor.name === "otp").enabled);
  assert.deepEqual(await management.get("clients?per_page=100"), before);
});
