// Debian's Chromium, driven by Playwright.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const options = {
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
};

/**
 * Opens windows; each person has a profile of her own, which is removed at the end. `ignoreCertificates` for pages that ask for keys:
 * a page whose certificate was only waved through may not.
 */
export async function launch({ ignoreCertificates = false } = {}) {
  const args = [...options.args, ...(ignoreCertificates ? ["--ignore-certificate-errors"] : [])];
  const open = [];
  return {
    /**
     * A profile on disk that allows cookies in frames of other sites: to a browser an application on http://localhost is
     * another site than https://localhost, and silent renewal by iframe is what is tested. In production the two share a site.
     */
    async newContext(more) {
      const folder = await mkdtemp(join(tmpdir(), "lockstep-chromium-"));
      await mkdir(join(folder, "Default"));
      const allow = { profile: { cookie_controls_mode: 0, block_third_party_cookies: false } };
      await writeFile(join(folder, "Default", "Preferences"), JSON.stringify(allow));
      const context = await chromium.launchPersistentContext(folder, { ...options, args, ...more });
      open.push({ context, folder });
      return context;
    },
    async close() {
      for (const { context, folder } of open) {
        await context.close();
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
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
  const page = context.pages()[0] ?? (await context.newPage());
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
