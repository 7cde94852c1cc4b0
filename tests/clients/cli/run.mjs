// The suite "cli": `node run.mjs`.

import { fileURLToPath } from "node:url";
import { runFolder } from "../node/support/runner.mjs";

await runFolder("cli", fileURLToPath(new URL(".", import.meta.url)));
