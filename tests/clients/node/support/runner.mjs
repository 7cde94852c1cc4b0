// Runs test files with node's test runner, each against a Lockstep of its own, and counts.

import { readdirSync } from "node:fs";
import path from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { startServer } from "./server.mjs";

/**
 * Node reads additional certificates only when a process starts, hence a server per file, started before the
 * file's process: that one finds the certificate in `NODE_EXTRA_CA_CERTS` and the rest in `LOCKSTEP_READY`.
 */
export async function runFolder(name, folder, { timeout = 180_000, serverArgs = [], argsOf = {} } = {}) {
  const chosen = process.argv.slice(2);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith(".test.mjs"))
    .filter((file) => chosen.length === 0 || chosen.some((part) => file.includes(part)))
    .sort();
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for (const file of files) {
    let server;
    try {
      server = await startServer({ args: argsOf[file] ?? serverArgs });
    } catch (error) {
      console.error(`${file}: ${error.message}`);
      failed += 1;
      continue;
    }
    process.env.NODE_EXTRA_CA_CERTS = server.ca;
    process.env.LOCKSTEP_READY = JSON.stringify(server);
    const failedBefore = failed;
    const tests = run({ files: [path.join(folder, file)], concurrency: 1, timeout });
    tests.on("test:pass", (event) => {
      if (event.skip !== undefined || event.todo !== undefined) skipped += 1;
      else if (event.details?.type !== "suite" && !isFile(event, folder, file)) passed += 1;
    });
    tests.on("test:fail", (event) => {
      if (event.details?.type !== "suite") failed += 1;
    });
    await new Promise((resolve) => {
      const report = tests.compose(spec);
      report.on("end", resolve);
      report.pipe(process.stdout, { end: false });
    });
    const rest = await server.stop();
    if (rest !== "") {
      console.error(`${file}: the server wrote more than one line on standard output: ${rest}`);
      failed += 1;
    }
    if (failed > failedBefore) console.error(`--- the server's log of ${file}\n${server.log()}---`);
  }
  console.log(`${name}: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
  process.exit(failed === 0 && passed > 0 ? 0 : 1);
}

// The runner also reports each file as a test of its own, which is not one.
function isFile(event, folder, file) {
  return event.nesting === 0 && event.name === path.join(folder, file);
}
