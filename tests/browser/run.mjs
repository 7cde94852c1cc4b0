// The suite "browser": `node run.mjs [PART_OF_A_FILE_NAME...]`.

import { fileURLToPath } from "node:url";
import { runFolder } from "../clients/node/support/runner.mjs";

await runFolder("browser", fileURLToPath(new URL(".", import.meta.url)), {
  timeout: 600_000,
  argsOf: { "models.test.mjs": ["--profile", "assured", "--attested-keys"] },
});
