// Starts and stops `lockstep dev` for a suite.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../../../../", import.meta.url));

/** The binary under test: `LOCKSTEP_BIN`, or what cargo built. */
export function binary() {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(repository, "target");
  const found = process.env.LOCKSTEP_BIN ?? path.join(target, "debug", "lockstep");
  if (!existsSync(found)) throw new Error(`${found} is not there: build it, or set LOCKSTEP_BIN`);
  return found;
}

/** The environment without what would configure a Lockstep of the person who runs the tests. */
export function cleanEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("LOCKSTEP_")));
}

/**
 * Starts a server of its own on free ports and waits for its line of JSON.
 * Returns that line's fields, and `stop()`.
 */
export async function startServer({ args = [], env = {} } = {}) {
  // A cache folder of its own: its certificates and notes must not meet those of the person who runs the tests.
  const cache = mkdtempSync(path.join(tmpdir(), "lockstep-cache-"));
  const child = spawn(binary(), ["dev", "--json", ...(args.includes("--port") ? [] : ["--port", "0"]), ...args], {
    env: { ...cleanEnvironment(), LOCKSTEP_CACHE_DIR: cache, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let log = "";
  child.stderr.on("data", (chunk) => {
    log = (log + chunk).slice(-20_000);
  });
  const line = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail("was not ready within 30 s"), 30_000);
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      rmSync(cache, { recursive: true, force: true });
      reject(new Error(`lockstep dev ${why}\n${output}${log}`));
    };
    child.once("error", (error) => fail(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => fail(`ended with ${code ?? signal} before it was ready`));
    child.stdout.on("data", (chunk) => {
      output += chunk;
      const end = output.indexOf("\n");
      if (end < 0) return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      resolve(output.slice(0, end));
    });
  });
  const ready = JSON.parse(line);
  return {
    ...ready,
    cache,
    log: () => log,
    /** Ends the server; tells what else it wrote on standard output, which must be nothing. */
    stop: async () => {
      const gone = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGTERM");
        const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
        await gone;
        clearTimeout(timer);
      }
      rmSync(cache, { recursive: true, force: true });
      return output.slice(output.indexOf("\n") + 1);
    },
  };
}
