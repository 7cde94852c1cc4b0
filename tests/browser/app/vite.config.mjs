import { fileURLToPath } from "node:url";

export default {
  root: fileURLToPath(new URL(".", import.meta.url)),
  // One build serves every test; what differs is in /config.json, which the test's server makes up.
  build: { outDir: fileURLToPath(new URL("../.cache/app", import.meta.url)), emptyOutDir: true, sourcemap: true },
};
