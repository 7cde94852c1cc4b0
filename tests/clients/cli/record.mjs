// Records what the official tool sends for the commands of commands.mjs: `node record.mjs`, with the tool as `auth0` on the PATH or named by
// LOCKSTEP_AUTH0_CLI, and openssl. Writes requests.jsonl, which the suite replays where the tool is not installed.
//
// The tool speaks HTTPS only, so a proxy with a certificate of its own stands before a server made by `lockstep init`.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { binary, cleanEnvironment } from "../node/support/server.mjs";
import { tell } from "./commands.mjs";

const tool = process.env.LOCKSTEP_AUTH0_CLI ?? "auth0";
const folder = mkdtempSync(path.join(tmpdir(), "lockstep-record-"));
const freePort = () =>
  new Promise((resolve) => {
    const door = createServer().listen(0, "127.0.0.1", () => {
      const { port } = door.address();
      door.close(() => resolve(port));
    });
  });

const [outside, inside] = [await freePort(), await freePort()];
const domain = `localhost:${outside}`;
const command = (program, args, options = {}) => {
  const ran = spawnSync(program, args, { cwd: folder, encoding: "utf8", ...options });
  if (ran.error || ran.status !== 0) throw ran.error ?? new Error(`${program} ${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
};
command("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2",
  "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
const machine = JSON.parse(command(binary(), ["init", "--issuer", `https://${domain}/`, "--json"], { env: cleanEnvironment() }));
const server = spawn(binary(), ["serve"], {
  cwd: folder, stdio: ["ignore", "ignore", "inherit"], env: { ...cleanEnvironment(), LOCKSTEP_LISTEN: `127.0.0.1:${inside}`, LOCKSTEP_LOG: "error" },
});

/** What is compared of an answer: the kinds of its members, and the ids that later requests name. Nothing secret is kept. */
function outline(value, name = "") {
  // Of several things it may not be the same that come first elsewhere; one alone is what was asked for.
  if (Array.isArray(value)) return value.length === 1 ? value.map((one) => outline(one)) : [];
  if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, outline(one, key)]));
  return typeof value === "string" && !/^(id|client_id|user_id)$/.test(name) ? "" : value;
}

const lines = [];
let current = [];
const pem = (name) => readFileSync(path.join(folder, name));
const proxy = https.createServer({ key: pem("key.pem"), cert: pem("cert.pem") }, (request, response) => {
  const sent = [];
  request.on("data", (chunk) => sent.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(sent);
    const onward = http.request({ port: inside, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      const got = [];
      answer.on("data", (chunk) => got.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(got).toString();
        if (request.url.startsWith("/api/v2/")) {
          const form = !(request.headers["content-type"] ?? "application/json").includes("json");
          lines.push({
            command: current.join(" "), method: request.method, path: request.url.replaceAll(encodeURIComponent(domain), "DOMAIN"),
            request: body.length === 0 || form ? null : JSON.parse(body), ...(form && { setup: "multipart" }), status: answer.statusCode,
            response: text === "" ? null : outline(JSON.parse(text)),
          });
        }
        response.writeHead(answer.statusCode, answer.headers).end(text);
      });
    });
    onward.end(body);
  });
});
await new Promise((resolve) => proxy.listen(outside, "127.0.0.1", resolve));

// The tool runs beside this process, which has to serve it: no spawnSync here.
const runTool = (args) =>
  new Promise((resolve) => {
    const child = spawn(tool, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...cleanEnvironment(), HOME: folder, XDG_CONFIG_HOME: folder, SSL_CERT_FILE: path.join(folder, "cert.pem"), AUTH0_CLI_ANALYTICS: "false", NO_COLOR: "1" },
    });
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"]) child[name].on("data", (chunk) => (out[name] += chunk));
    child.once("close", (status) => resolve({ status, ...out }));
  });

try {
  const login = ["login", "--domain", domain, "--client-id", machine.client_id, "--client-secret", machine.client_secret, "--no-input"];
  for (let tries = 0; ; tries += 1) {
    const { status, stderr } = await runTool(login);
    if (status === 0) break;
    if (tries === 20) throw new Error(stderr);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  await tell(runTool, (run) => (current = run));
  writeFileSync(new URL("requests.jsonl", import.meta.url), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  console.log(`${lines.length} requests`);
} finally {
  server.kill();
  proxy.close();
  proxy.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
