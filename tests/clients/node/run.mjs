// The suite "node": `node run.mjs [PART_OF_A_FILE_NAME...]`.

import { fileURLToPath } from "node:url";
import { runFolder } from "./support/runner.mjs";

await runFolder("node", fileURLToPath(new URL(".", import.meta.url)));
