// The running Lockstep of a test file, and what tests make in it.

import { createHash, randomBytes } from "node:crypto";
import { Browser } from "./browser.mjs";
import { walk } from "./login.mjs";

export const PAPE = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
export const CONNECTION = "Username-Password-Authentication";

const random = (bytes = 16) => randomBytes(bytes).toString("base64url");

/** What `lockstep dev --json` said, as the runner passed it on. */
export function ready() {
  const line = process.env.LOCKSTEP_READY;
  if (!line) throw new Error("run the tests with `node run.mjs`: it starts Lockstep");
  return JSON.parse(line);
}

/** Moves the twin's clock (`POST /_dev/api/clock`). Clients keep this machine's time. */
export async function moveClock(change) {
  const response = await fetch(`${ready().issuer}_dev/api/clock`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(change),
  });
  if (!response.ok) throw new Error(`the clock was not moved: ${response.status} ${await response.text()}`);
}

/** The newest message that fits (`GET /_dev/api/outbox`); waits for one. */
export async function inbox(query) {
  const response = await fetch(`${ready().issuer}_dev/api/outbox?${new URLSearchParams({ wait: "10", ...query })}`);
  const [message] = await response.json();
  if (!message) throw new Error(`no message came: ${JSON.stringify(query)}`);
  return message;
}

/** What a JWT says, unverified. */
export function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

/** The Management API by plain requests, as the machine client of the twin. */
export class Management {
  #token;

  constructor(server = ready()) {
    this.server = server;
    this.audience = `${server.issuer}api/v2/`;
  }

  async token() {
    if (!this.#token) {
      const response = await fetch(`${this.server.issuer}oauth/token`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          grant_type: "client_credentials",
          client_id: this.server.management.client_id,
          client_secret: this.server.management.client_secret,
          audience: this.audience,
        }),
      });
      const body = await response.text();
      if (!response.ok) throw new Error(`no token for the Management API: ${response.status} ${body}`);
      this.#token = JSON.parse(body).access_token;
    }
    return this.#token;
  }

  async send(method, path, body) {
    const response = await fetch(this.audience + path, {
      method,
      headers: {
        authorization: `Bearer ${await this.token()}`,
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  get(path) {
    return this.send("GET", path);
  }
  post(path, body) {
    return this.send("POST", path, body);
  }
  put(path, body) {
    return this.send("PUT", path, body);
  }
  patch(path, body) {
    return this.send("PATCH", path, body);
  }
  delete(path) {
    return this.send("DELETE", path);
  }

  /** A new person with a password. */
  async person(properties = {}) {
    const email = `${random(6).toLowerCase().replaceAll("_", "x")}@example.test`;
    const password = `Correct-horse-${random(6)}-9`;
    const user = await this.post("users", { connection: CONNECTION, email, password, email_verified: true, ...properties });
    return { email, password, id: user.user_id };
  }

  /** A new API. */
  async api(properties = {}) {
    const identifier = `https://${random(6).toLowerCase()}.api.example.test/`;
    return this.post("resource-servers", {
      name: identifier,
      identifier,
      signing_alg: "RS256",
      token_lifetime: 3600,
      allow_offline_access: true,
      skip_consent_for_verifiable_first_party_clients: true,
      scopes: [{ value: "transfer:funds", description: "Transfer money" }],
      ...properties,
    });
  }

  /** A new application; its callback is never opened unless a test serves it. */
  async application(properties = {}) {
    return this.post("clients", {
      name: `test ${random(6)}`,
      app_type: "regular_web",
      oidc_conformant: true,
      callbacks: ["https://app.example.test/callback"],
      allowed_logout_urls: ["https://app.example.test/"],
      grant_types: ["authorization_code", "refresh_token", "client_credentials"],
      token_endpoint_auth_method: "client_secret_post",
      jwt_configuration: { alg: "RS256" },
      ...properties,
    });
  }

  /** Lets an application have tokens of its own for an API. */
  async grant(application, api, scope = []) {
    return this.post("client-grants", { client_id: application.client_id, audience: api.identifier, scope });
  }
}

/** An application's session of one person: a plain OAuth client without any library. */
export class Session {
  constructor(application, person, server = ready()) {
    Object.assign(this, { application, person, server });
    this.browser = new Browser(server.https);
    this.callback = application.callbacks[0];
  }

  address(parameters, verifier) {
    const address = new URL("authorize", this.server.issuer);
    address.search = new URLSearchParams({
      client_id: this.application.client_id,
      response_type: "code",
      redirect_uri: this.callback,
      scope: "openid profile email",
      state: random(),
      nonce: random(),
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      ...parameters,
    }).toString();
    return address;
  }

  /** The whole way: `/authorize`, the screens, the code, the tokens. An error at the callback comes back as `error`. */
  async login(parameters = {}) {
    const verifier = random(32);
    const address = this.address(parameters, verifier);
    const { callback, screens } = await walk(this.browser, address, this.person);
    if (callback.searchParams.get("state") !== address.searchParams.get("state")) {
      throw new Error(`the state did not come back: ${callback}`);
    }
    if (callback.searchParams.has("error")) {
      return {
        screens,
        error: callback.searchParams.get("error"),
        description: callback.searchParams.get("error_description"),
      };
    }
    const tokens = await this.token({
      grant_type: "authorization_code",
      code: callback.searchParams.get("code"),
      redirect_uri: this.callback,
      code_verifier: verifier,
    });
    return { screens, ...tokens };
  }

  async token(parameters) {
    const { client_id, client_secret, token_endpoint_auth_method } = this.application;
    const response = await fetch(`${this.server.issuer}oauth/token`, {
      method: "POST",
      body: new URLSearchParams({
        client_id,
        ...(token_endpoint_auth_method !== "none" && { client_secret }),
        ...parameters,
      }),
    });
    const body = await response.text();
    if (!response.ok) throw new Error(`/oauth/token answered ${response.status}: ${body}`);
    return JSON.parse(body);
  }
}
