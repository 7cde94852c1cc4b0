// Debian's Chromium, driven by Playwright.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function launch() {
  return chromium.launch({
    executablePath: process.env.LOCKSTEP_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      // Root may not use Chromium's sandbox, and tests run as root in a container.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A window of a new person; notes what the pages complain about. */
export async function newWindow(browser, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, locale: "en-US", ...options });
  context.setDefaultTimeout(15_000);
  const complaints = [];
  context.on("weberror", (error) => complaints.push(`error: ${error.error().stack}`));
  context.on("console", (message) => {
    if (message.type() === "error") complaints.push(`${message.location().url}: ${message.text()}`);
  });
  const page = await context.newPage();
  return { context, page, complaints };
}

/** What axe finds wrong on a page, as lines; by evaluation, because the pages' policy rightly refuses foreign scripts. */
export async function violations(page, where = page.url()) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  return found.violations.flatMap((rule) =>
    rule.nodes.map((node) => `${where}: ${rule.id} (${rule.impact}): ${node.target.join(" ")}: ${node.failureSummary}`),
  );
}
