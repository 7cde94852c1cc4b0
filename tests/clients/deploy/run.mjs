// The suite "deploy": `node run.mjs`.

import { fileURLToPath } from "node:url";
import { runFolder } from "../node/support/runner.mjs";

await runFolder("deploy", fileURLToPath(new URL(".", import.meta.url)), { timeout: 900_000 });
