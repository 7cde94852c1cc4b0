import { fileURLToPath } from "node:url";

// Above this folder are no packages of its own: without a root Next.js would look for one.
export default { turbopack: { root: fileURLToPath(new URL(".", import.meta.url)) } };
