// An app made with the official React SDK, in a real browser.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Management, PAPE, ready } from "../clients/node/support/lockstep.mjs";
import { serveApp } from "./support/app.mjs";
import { launch, newWindow, violations } from "./support/chromium.mjs";
import { Person } from "./support/person.mjs";

const server = ready();
const management = new Management();
let browser;
let windows = [];

before(async () => {
  browser = await launch();
  await management.put("guardian/factors/otp", { enabled: true });
  await management.put("guardian/policies", []);
});
after(() => browser?.close());
afterEach(async () => {
  await Promise.all(windows.map((window) => window.context.close()));
  windows = [];
});

/** Registers an application for a page of ours and serves it. */
function startApp({ options = {}, authorizationParams = {} } = {}) {
  return serveApp(async (origin) => {
    const application = await management.application({
      name: "Shop",
      app_type: "spa",
      token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"],
      callbacks: [origin],
      web_origins: [origin],
      allowed_logout_urls: [origin],
      refresh_token: { rotation_type: "rotating", expiration_type: "expiring", leeway: 0, token_lifetime: 86400 },
    });
    return { domain: new URL(server.issuer).host, clientId: application.client_id, authorizationParams, options };
  });
}

/** A window at the app, and what can be done there. */
class Shopper {
  static async enter(app, person, options) {
    const window = await newWindow(browser, options);
    windows.push(window);
    const shopper = new Shopper();
    Object.assign(shopper, { app, person, ...window, requests: [] });
    window.context.on("request", (request) => {
      if (request.url().startsWith(server.https)) shopper.requests.push(`${request.method()} ${new URL(request.url()).pathname}`);
    });
    await window.page.goto(app.origin);
    await window.page.waitForSelector("#state");
    return shopper;
  }

  /** Presses a button of the app that sends the person to the login pages, and comes back. */
  async leaveBy(button, look) {
    this.person.screens = [];
    const left = this.page.waitForEvent("framenavigated", (frame) => frame === this.page.mainFrame());
    await this.page.click(`#${button}`);
    await left;
    await this.person.answer(this.page, this.app.origin, look);
    // The SDK is done once it has taken the code out of the address.
    await this.page.waitForURL((url) => !url.search.includes("code="));
    await this.page.waitForSelector("#state");
    return this.person.screens;
  }

  /** Presses a button that works on the spot; returns what the app says came of it. */
  async press(button) {
    await this.page.click(`#${button}`);
    return this.result(button);
  }

  async result(name) {
    const handle = await this.page.waitForFunction((expected) => {
      const text = document.querySelector("#result")?.textContent;
      const result = text ? JSON.parse(text) : {};
      return result.name === expected && !result.pending && result;
    }, name);
    return handle.jsonValue();
  }

  async logout() {
    await this.page.click("#logout");
    await this.page.waitForFunction(() => document.querySelector("#state")?.textContent === "Nobody is here");
  }

  async claims() {
    const handle = await this.page.waitForFunction(() => JSON.parse(document.querySelector("#claims")?.textContent ?? "null"));
    return handle.jsonValue();
  }

  async state() {
    return this.page.textContent("#state");
  }

  silentError() {
    return this.page.evaluate(() => JSON.parse(sessionStorage.getItem("silent")));
  }
}

const newcomer = () => new Person({ email: `shopper-${crypto.randomUUID().slice(0, 8)}@example.test`, password: "Correct-horse-battery-9!" });
const customer = async () => new Person(await management.person());

/** What every person does with this app, whichever way it renews its tokens. */
function wholeStory(name, setup, renewal) {
  describe(name, () => {
    let app;
    before(async () => {
      app = await startApp(setup);
    });
    after(() => app.close());

    test("sign up, enrol, log in, silent step-up fails, redirect step-up, renewal, logout", async () => {
      const shopper = await Shopper.enter(app, newcomer());
      const { person } = shopper;

      // Sign up, then enrol because the policy says so.
      await management.put("guardian/policies", ["all-applications"]);
      const first = await shopper.leaveBy("signup");
      await management.put("guardian/policies", []);
      assert.equal(first[0], "signup");
      assert.ok(first.some((screen) => screen.startsWith("mfa-otp-enrollment")), first.join());
      assert.equal(await shopper.state(), `Hello ${person.email}`);
      assert.ok((await shopper.claims()).amr.includes("mfa"));

      // Log out: the next login asks for the password again.
      await shopper.logout();

      // Log in without MFA: the policy no longer asks for it.
      assert.deepEqual((await shopper.leaveBy("login")).filter((screen) => screen !== "consent"), ["login"]);
      const plain = await shopper.claims();
      assert.deepEqual(plain.amr, ["pwd"]);
      assert.equal(plain.acr, undefined);

      // The hook: silently refused, then sent to the password and the factor (max_age=0 asks for both).
      const stepped = await shopper.leaveBy("hook");
      assert.deepEqual(stepped.filter((screen) => screen !== "consent"), ["login", "mfa-otp-challenge"]);
      const refusal = await shopper.silentError();
      assert.equal(refusal.error, renewal.refusal);
      assert.equal(refusal.description, "Multifactor authentication required");
      const claims = await shopper.claims();
      assert.deepEqual([...claims.amr].sort(), ["mfa", "otp", "pwd"]);
      assert.equal(claims.acr, PAPE);
      assert.ok(claims.auth_time >= plain.auth_time);

      // Once more: the app knows already and asks nobody.
      shopper.requests.length = 0;
      assert.equal((await shopper.press("hook")).value, true);
      assert.deepEqual(shopper.requests, []);

      // Renewal, and what was proven is still said.
      const renewed = await shopper.press("renew");
      assert.ok(renewed.value?.access_token, JSON.stringify(renewed));
      renewal.check(shopper.requests);
      assert.deepEqual([...(await shopper.claims()).amr].sort(), ["mfa", "otp", "pwd"]);
      assert.equal((await shopper.claims()).auth_time, claims.auth_time);

      // Logout ends the session at the server too.
      await shopper.logout();
      const after = await shopper.press("renew");
      assert.ok(["login_required", "missing_refresh_token"].includes(after.error), JSON.stringify(after));
      assert.deepEqual((await shopper.leaveBy("login")).filter((screen) => screen !== "consent"), ["login"]);
    });
  });
}

wholeStory("renewing in an iframe", {}, {
  refusal: "login_required",
  check: (requests) => assert.ok(requests.includes("GET /authorize") && requests.includes("POST /oauth/token"), requests.join()),
});
wholeStory(
  "renewing by refresh token",
  { options: { useRefreshTokens: true, cacheLocation: "localstorage" }, authorizationParams: { scope: "openid profile email offline_access" } },
  {
    refusal: "mfa_required",
    check: (requests) => assert.deepEqual(requests.filter((line) => !line.startsWith("OPTIONS")), ["POST /oauth/token"]),
  },
);

describe("the hook with MFA of the last hour", () => {
  test("MFA that was done in another window of the browser is enough, without a redirect", async () => {
    const app = await startApp();
    const other = await startApp();
    try {
      const shopper = await Shopper.enter(app, await customer());
      await shopper.leaveBy("login");
      assert.deepEqual((await shopper.claims()).amr, ["pwd"]);

      const elsewhere = Object.assign(new Shopper(), { ...shopper, app: other, page: await shopper.context.newPage() });
      await elsewhere.page.goto(other.origin);
      await elsewhere.page.waitForSelector("#state");
      await elsewhere.leaveBy("login");
      await elsewhere.leaveBy("hook");
      assert.ok((await elsewhere.claims()).amr.includes("mfa"));

      assert.equal((await shopper.press("hook-hour")).value, true);
      assert.ok((await shopper.claims()).amr.includes("mfa"));
    } finally {
      app.close();
      other.close();
    }
  });
});

describe("the basic form", () => {
  const options = { cacheLocation: "localstorage", interactiveErrorHandler: "popup" };

  test("with an empty cache a popup asks for the MFA and the promise resolves", async () => {
    const app = await startApp({ options });
    try {
      const shopper = await Shopper.enter(app, await customer());
      await shopper.leaveBy("login");
      await emptyCache(shopper.page);
      shopper.person.screens = [];
      const [popup] = await Promise.all([shopper.context.waitForEvent("page"), shopper.page.click("#basic")]);
      await shopper.person.answer(popup, app.origin);
      const result = await shopper.result("basic");
      assert.equal(typeof result.value, "string", JSON.stringify(result));
      assert.ok(shopper.person.screens.includes("login"), shopper.person.screens.join());
      assert.ok(shopper.person.screens.some((screen) => screen.startsWith("mfa-")), shopper.person.screens.join());
      assert.ok((await shopper.claims()).amr.includes("mfa"));
    } finally {
      app.close();
    }
  });

  test("without a popup handler it is refused with the exact text", async () => {
    const app = await startApp({ options: { cacheLocation: "localstorage" } });
    try {
      const shopper = await Shopper.enter(app, await customer());
      await shopper.leaveBy("login");
      await emptyCache(shopper.page);
      const result = await shopper.press("basic");
      assert.equal(result.error, "login_required");
      assert.equal(result.description, "Multifactor authentication required");
    } finally {
      app.close();
    }
  });

  /** Forgets the access tokens but not who is logged in. */
  function emptyCache(page) {
    return page.evaluate(() => {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith("@@auth0spajs@@") && !key.includes("@@user@@")) localStorage.removeItem(key);
      }
    });
  }
});

describe("with an API", () => {
  test("a callback on localhost asks for consent once, and then the silent way is open", async () => {
    const api = await management.api();
    const app = await startApp({ authorizationParams: { audience: api.identifier } });
    try {
      const shopper = await Shopper.enter(app, await customer());
      assert.deepEqual(await shopper.leaveBy("login"), ["login", "consent"]);
      const renewed = await shopper.press("renew");
      assert.ok(renewed.value?.access_token, JSON.stringify(renewed));
      assert.deepEqual((await shopper.leaveBy("login")), []);
    } finally {
      app.close();
    }
  });
});

describe("the pages that were seen on the way", () => {
  const looks = {
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    narrow: { viewport: { width: 320, height: 640 } },
    "right to left": { locale: "ar", extraHTTPHeaders: { "accept-language": "ar" } },
  };
  for (const [name, options] of Object.entries(looks)) {
    test(`axe finds nothing, and the browser has nothing to complain about (${name})`, async () => {
      const app = await startApp();
      try {
        const shopper = await Shopper.enter(app, newcomer(), options);
        const found = [];
        const seen = new Set();
        const look = async (page, screen) => {
          seen.add(screen);
          found.push(...(await violations(page)));
          assert.equal(await page.evaluate(() => document.documentElement.dir || "ltr"), name === "right to left" ? "rtl" : "ltr", screen);
          const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(wider <= 0, `${screen} scrolls sideways by ${wider} px`);
        };
        await management.put("guardian/factors/recovery-code", { enabled: true });
        await shopper.leaveBy("signup", look);
        await shopper.leaveBy("hook", look);
        await shopper.logout();
        await shopper.leaveBy("login", look);
        await shopper.leaveBy("hook", look);
        const wanted = ["signup", "login", "mfa-otp-enrollment-qr", "mfa-recovery-code-enrollment", "mfa-otp-challenge"];
        assert.deepEqual(wanted.filter((screen) => !seen.has(screen)), [], `seen: ${[...seen].join()}`);
        assert.deepEqual(found, []);
        const own = shopper.complaints.filter((line) => line.includes(server.https) && !line.includes("/oauth/token"));
        assert.deepEqual(own, []);
      } finally {
        await management.put("guardian/factors/recovery-code", { enabled: false });
        app.close();
      }
    });
  }
});
