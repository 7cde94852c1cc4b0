// The guide's commands as one script (guide.sh), twice: with the official tool where it is installed, else with a stand-in that takes the same
// arguments to `lockstep api`.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Management, ready } from "../node/support/lockstep.mjs";
import { binary, cleanEnvironment } from "../node/support/server.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const server = ready();
const official = process.env.LOCKSTEP_AUTH0_CLI ?? "auth0";
const found = spawnSync("sh", ["-c", 'command -v -- "$1"', "sh", official], { encoding: "utf8" }).stdout.trim();
const home = mkdtempSync(path.join(tmpdir(), "lockstep-guide-"));
after(() => rmSync(home, { recursive: true, force: true }));
symlinkSync(found || here("stand-in/auth0"), path.join(home, "auth0"));

test(`the guide's script runs whole, and again, with ${found ? "the official tool" : "the stand-in"}`, async () => {
  const management = new Management();
  const person = await management.person();
  for (const again of ["", "1"]) {
    await management.post(`users/${encodeURIComponent(person.id)}/authentication-methods`, { type: "totp", name: "App", totp_secret: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP" });
    const { status, stdout, stderr } = spawnSync(here("guide.sh"), [], {
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...cleanEnvironment(), PATH: `${home}:${process.env.PATH}`, HOME: home, XDG_CONFIG_HOME: home, LOCKSTEP_CACHE_DIR: server.cache,
        LOCKSTEP: binary(), SSL_CERT_FILE: server.ca, AUTH0_CLI_ANALYTICS: "false", NO_COLOR: "1", AGAIN: again,
        DOMAIN: new URL(server.issuer).host, CID: server.management.client_id, CSECRET: server.management.client_secret,
        T: await management.token(), UID_: person.id, CODE: "exports.onExecutePostLogin = async (event, api) => {};",
      },
    });
    assert.equal(status, 0, `${stdout}\n${stderr}`);
    assert.match(stdout, /the guide's commands all did what it says/);
  }
});
