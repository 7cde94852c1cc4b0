// The twin's own pages under /_dev/: the main job of the README, in a browser.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ready } from "../clients/node/support/lockstep.mjs";
import { launch, newWindow, violations } from "./support/chromium.mjs";

const server = ready();
const ben = server.users.find((user) => user.totp_secret);
const pages = ["", "playground", "outbox", "authenticators", "clock"];
const api = async (path, body) => {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await fetch(`${server.https}/_dev/api/${path}`, options)).json();
};

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Answers the login pages until the playground is there again. */
async function answer(page) {
  for (let turns = 0; turns < 8; turns += 1) {
    const { pathname } = new URL(page.url());
    if (pathname === "/_dev/playground") return;
    if (pathname === "/u/login") {
      await page.fill("#username", ben.email);
      await page.fill("#password", ben.password);
    } else if (pathname === "/u/mfa-otp-challenge") {
      const { code } = await api("authenticators", { secret: ben.totp_secret });
      await page.fill("#code", code);
    } else if (pathname !== "/u/consent") {
      throw new Error(`nobody told the test what to do on ${page.url()}`);
    }
    const href = page.url();
    await Promise.all([
      page.waitForURL((url) => url.href !== href),
      page.locator("button[value=default], button[value=accept]").first().click(),
    ]);
  }
  throw new Error(`no end at ${page.url()}`);
}

const tags = (page) => page.locator(".tags li").allTextContents();

describe("the playground", () => {
  test("logs in with a password, steps up with a code, refreshes, and says why", async () => {
    const { page, context, complaints } = await newWindow(browser);
    await page.goto(`${server.http}/_dev/playground`);
    assert.equal(page.url(), `${server.https}/_dev/playground`, "its cookie belongs to the issuer's address");
    await page.click('a:text-is("Log in")');
    await answer(page);
    assert.deepEqual(await tags(page), ["pwd"]);

    await page.click('a:text-is("Step up")');
    await answer(page);
    assert.deepEqual(await tags(page), ["pwd", "mfa", "otp"]);
    const why = await page.locator("section[aria-labelledby=why]").textContent();
    assert.match(why, /The request asks for multi-factor \(acr_values\): met by MFA/);
    assert.deepEqual(await violations(page), []);

    await page.click('button:text-is("Refresh")');
    await page.waitForSelector("text=The tokens were refreshed.");
    assert.deepEqual(await tags(page), ["pwd", "mfa", "otp"], "kept through refresh");

    await page.click('button:text-is("Log out")');
    await page.waitForSelector("text=You are not logged in");
    await page.goto(`${server.https}/_dev/playground/login?prompt=none`);
    await page.waitForSelector("text=login_required");
    assert.deepEqual(complaints, []);
    await context.close();
  });
});

describe("the clock and the reset", () => {
  test("an entry shows another code when the clock is moved, and a reset brings everything back", async () => {
    const { page, context, complaints } = await newWindow(browser);
    await page.goto(`${server.https}/_dev/clock`);
    await page.click('button:text-is("Stop it")');
    await page.goto(`${server.https}/_dev/authenticators`);
    await page.fill("#text", ben.totp_secret);
    await page.click('button:text-is("Add")');
    const before = await page.locator("[data-code]").first().textContent();
    await page.goto(`${server.https}/_dev/clock`);
    await page.click('button:text-is("+ 1 hour")');
    await page.goto(`${server.https}/_dev/authenticators`);
    assert.notEqual(await page.locator("[data-code]").first().textContent(), before);
    await page.goto(`${server.https}/_dev/`);
    await page.click('button:text-is("Reset everything")');
    assert.equal((await api("clock")).ahead_ms, 0);
    assert.deepEqual(await api("authenticators"), []);
    assert.deepEqual(complaints, []);
    await context.close();
  });
});

describe("its pages", () => {
  for (const colorScheme of ["light", "dark"]) {
    test(`have no accessibility problem and fit into 320 px, ${colorScheme}`, async () => {
      const { page, context, complaints } = await newWindow(browser, { colorScheme, viewport: { width: 320, height: 640 } });
      for (const name of pages) {
        await page.goto(`${server.https}/_dev/${name}`);
        assert.deepEqual(await violations(page), []);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(wide, 0, name);
      }
      assert.deepEqual(complaints, []);
      await context.close();
    });
  }
});
