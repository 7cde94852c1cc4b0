// Asks the browser for a key and posts what it says: its answer, or the name of what went wrong. The server judges both.
(() => {
  "use strict";
  const form = document.getElementById("main");
  const place = document.querySelector("[data-key]");
  const options = JSON.parse(place.dataset.options);
  const create = place.dataset.key === "create";
  const button = form.querySelector("button[value=default]");
  const waiting = document.querySelector("[data-waiting]");

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join(""))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((key) => ({ ...key, id: bytes(key.id) }));

  const request = () => {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    if (create) {
      publicKey.user = { ...options.user, id: bytes(options.user.id) };
      publicKey.excludeCredentials = named(options.excludeCredentials);
      return navigator.credentials.create({ publicKey });
    }
    publicKey.allowCredentials = named(options.allowCredentials);
    return navigator.credentials.get({ publicKey });
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

  const post = (name, value) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = name;
    field.value = value;
    form.append(field);
    form.requestSubmit(button);
  };

  const missing = () => {
    document.querySelector("[data-missing]").hidden = false;
    form.querySelectorAll(".check").forEach((box) => box.remove());
    button.remove();
  };
  if (!window.PublicKeyCredential || !navigator.credentials) { missing(); return; }
  if (place.dataset.platform) {
    PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().then((has) => { if (!has) missing(); }, missing);
  }

  let asked = false;
  // Before page.js, which lets a form be sent once.
  form.addEventListener("submit", (event) => {
    if (event.submitter !== button || form.elements.response || form.elements.failure) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (asked) return;
    asked = true;
    button.setAttribute("aria-disabled", "true");
    waiting.textContent = waiting.dataset.waiting;
    let answer;
    try { answer = request(); } catch (error) { answer = Promise.reject(error); }
    answer.then((credential) => post("response", written(credential)), (error) => post("failure", error.name));
  }, true);
})();
