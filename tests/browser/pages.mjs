// The suite "pages": every page, in every language and look, as the server renders it: axe finds nothing, nothing overflows at
// 320 px, and the page breaks no rule of its own Content-Security-Policy.
//
//   node pages.mjs [SAMPLES]        SAMPLES: a folder written by the test ui::samples (default: a new one)
//   LOCKSTEP_SHOTS=FOLDER           also take screenshots at 320, 768 and 1280 px

import { execFileSync } from "node:child_process";
import { createServer } from "node:http";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, newWindow, violations } from "./support/chromium.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const given = process.argv[2];
const samples = given ?? mkdtempSync(join(tmpdir(), "lockstep-pages-"));
if (!given) {
  const env = { ...process.env, LOCKSTEP_SAMPLES_DIR: samples };
  execFileSync("cargo", ["test", "--quiet", "--locked", "-p", "lockstep", "--lib", "ui::samples"], { cwd: root, env, stdio: "ignore" });
}
const policies = JSON.parse(readFileSync(join(samples, "index.json"), "utf8"));
// These two carry an answer on and leave at once: nobody looks at them.
const names = Object.keys(policies).filter((name) => !/web-message|form-post/.test(name));
if (names.length < 100) throw new Error(`only ${names.length} samples in ${samples}`);

const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    // This one leaves its page at once; what people see of the page who have no scripts is looked at.
    const body = path.endsWith("capabilities.js") ? "" : readFileSync(join(samples, path));
    const headers = { "content-type": types[extname(path)] ?? "application/octet-stream" };
    const policy = policies[path.replace(/^\//, "").replace(/\.html$/, "")];
    if (policy) headers["content-security-policy"] = policy;
    response.writeHead(200, headers).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;

const shots = process.env.LOCKSTEP_SHOTS;
if (shots) mkdirSync(shots, { recursive: true });
let passed = 0;
let failed = 0;

const browser = await launch();
for (const scheme of ["light", "dark"]) {
  const { page, complaints } = await newWindow(browser, { colorScheme: scheme, viewport: { width: 320, height: 640 } });
  for (const name of names) {
    // The other languages differ in words and direction only; both directions are looked at in both schemes.
    if (scheme === "dark" && !/^(en|ar|brand-dark)\./.test(name)) continue;
    complaints.length = 0;
    await page.goto(`${base}/${name}.html`);
    // axe scrolls about, so this is asked first.
    const hidden = await page.evaluate(() => {
      const list = document.querySelector("select[size]");
      const [row, frame] = [list?.selectedOptions[0], list].map((e) => e?.getBoundingClientRect());
      return row && (row.top < frame.top || row.bottom > frame.bottom);
    });
    const problems = await violations(page, name);
    if (hidden) problems.push(`${name}: what is chosen is not in view`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) problems.push(`${name}: ${wide} px too wide at 320 px`);
    problems.push(...complaints);
    if (problems.length === 0) passed += 1;
    else {
      failed += 1;
      console.log(`✖ ${name} (${scheme})\n  ${problems.join("\n  ")}`);
    }
    if (shots) {
      for (const width of [320, 768, 1280]) {
        await page.setViewportSize({ width, height: 800 });
        await page.screenshot({ path: join(shots, `${name}.${scheme}.${width}.png`), fullPage: true });
      }
      await page.setViewportSize({ width: 320, height: 640 });
    }
  }
}
await browser.close();
server.close();
if (!given) rmSync(samples, { recursive: true, force: true });
console.log(`pages: ${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
