// Asks the browser for a key and posts what it says: its answer, or the name of what went wrong. The server judges both.
(() => {
  "use strict";
  const form = document.getElementById("main");
  const place = document.querySelector("[data-key]");
  let options = JSON.parse(place.dataset.options);
  const { PublicKeyCredential } = window;
  // The account page asks for nothing: it tells the browser which keys are still good, so that it offers no others.
  if (place.dataset.key === "accepted") {
    if (PublicKeyCredential && PublicKeyCredential.signalAllAcceptedCredentials) {
      PublicKeyCredential.signalAllAcceptedCredentials(options).catch(() => {});
    }
    return;
  }
  // A passkey that was made in vain opens nothing.
  if (place.dataset.key === "forget") {
    if (PublicKeyCredential && PublicKeyCredential.signalUnknownCredential) {
      PublicKeyCredential.signalUnknownCredential(options).catch(() => {});
    }
    return;
  }
  const create = place.dataset.key === "create";
  const login = place.dataset.key === "login";
  const button = form.querySelector(login ? "button[value=passkey]" : "button[value=default]");
  const waiting = document.querySelector("[data-waiting]");

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(""))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((key) => ({ ...key, id: bytes(key.id) }));

  const request = (how) => {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (create) {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = named(options.excludeCredentials);
      return navigator.credentials.create({ publicKey });
    }
    publicKey.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey, ...how });
  };

  const written = (credential) => {
    const said = credential.response;
    const response = { clientDataJSON: text(said.clientDataJSON) };
    if (create) {
      response.attestationObject = text(said.attestationObject);
      response.transports = said.getTransports ? said.getTransports() : [];
    } else {
      response.authenticatorData = text(said.authenticatorData);
      response.signature = text(said.signature);
      if (said.userHandle) response.userHandle = text(said.userHandle);
    }
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment || undefined,
      clientExtensionResults: {},
      response,
    });
  };

  const post = (name, value, by = button) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
    // Not while the press of the button is being handled: a form does not listen to itself then.
    setTimeout(() => form.requestSubmit(by));
  };

  const missing = () => {
    if (login) return;
    if (place.dataset.optional) { post("unable", "1", form.querySelector("button[value=skip]")); return; }
    document.querySelector("[data-missing]").hidden = false;
    form.querySelectorAll(".check").forEach((box) => box.remove());
    button.remove();
  };
  if (!PublicKeyCredential || !navigator.credentials) { missing(); return; }
  if (place.dataset.platform) {
    PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then((has) => { if (!has) missing(); }, missing);
  }
  // A page that comes back as it was left would send its old answer.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  let asked = false;
  // The quiet request behind the list under the field.
  let quiet;
  // Before page.js, which lets a form be sent once.
  form.addEventListener("submit", (event) => {
    if (!button || event.submitter !== button || form.elements.response || form.elements.failure) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (asked) return;
    asked = true;
    if (quiet) quiet.abort();
    button.setAttribute("aria-disabled", "true");
    waiting.textContent = waiting.dataset.waiting;
    let answer;
    try { answer = request(); } catch (error) { answer = Promise.reject(error); }
    answer.then((credential) => post("response", written(credential)), (error) => post("failure", error.name));
  }, true);
  if (!login) return;

  // The login page: a passkey by the button, or picked from the list that the browser shows under the field.
  if (button) button.hidden = false;
  const unknown = place.dataset.unknown;
  if (unknown && PublicKeyCredential.signalUnknownCredential) {
    PublicKeyCredential.signalUnknownCredential({ rpId: options.rpId, credentialId: unknown }).catch(() => {});
  }
  const listen = async () => {
    if (!place.dataset.autofill || !PublicKeyCredential.isConditionalMediationAvailable) return;
    if (!(await PublicKeyCredential.isConditionalMediationAvailable()) || asked) return;
    if (quiet) quiet.abort();
    const mine = new AbortController();
    quiet = mine;
    request({ mediation: "conditional", signal: mine.signal }).then((credential) => {
      if (asked || quiet !== mine) return;
      asked = true;
      post("response", written(credential));
    }).catch(() => {});
  };
  // A challenge does not live as long as a page may stand open: another one is fetched before it is over.
  let due;
  const later = (seconds) => { due = Date.now() + Math.max(seconds - 120, 5) * 1000; };
  const renew = async () => {
    if (asked || document.hidden || Date.now() < due) return;
    later(150);
    const answer = await fetch(location.href);
    // This part alone: the page's policy would complain of the rest.
    const part = /<div data-key="login"[^>]*>/.exec(await answer.text());
    const fresh = part && new DOMParser().parseFromString(part[0], "text/html").querySelector("div");
    // The login is over, or went on in another tab.
    if (!fresh) due = Infinity;
    if (!fresh || asked) return;
    options = JSON.parse(fresh.dataset.options);
    later(Number(fresh.dataset.seconds));
    listen();
  };
  const look = () => { renew().catch(() => {}); };
  later(Number(place.dataset.seconds));
  setInterval(look, 5000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  listen().catch(() => {});
})();
