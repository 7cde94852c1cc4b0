// The suite "nextjs": `node run.mjs`. The app has to be built before.

import { randomInt } from "node:crypto";
import { fileURLToPath } from "node:url";
import { runFolder } from "../node/support/runner.mjs";

const folder = fileURLToPath(new URL(".", import.meta.url));
// All of 127.0.0.0/8 is this machine: an address that nobody else picks leaves its port 443 free.
const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
process.env.NEXTJS_TEST_ADDRESS = address;
process.env.NODE_OPTIONS = `--require ${folder}names.cjs`;
await runFolder("nextjs", folder, {
  serverArgs: ["--bind", address, "--port", "443", "--no-http", "--host", "login.lockstep.test"],
});
