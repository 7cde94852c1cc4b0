// Tells the server what this browser can do, before something is offered that it might not have.
(() => {
  "use strict";
  const form = document.getElementById("main");
  const say = (name, can) => { form.elements[name].value = String(can); };
  const has = window.PublicKeyCredential && navigator.credentials;
  const platform = has
    ? PublicKeyCredential.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false)
    : Promise.resolve(false);
  platform.then((can) => {
    say("isWebAuthnAvailable", Boolean(has));
    say("isWebAuthnPlatformAvailable", can);
    form.requestSubmit(form.querySelector("button[value=default]"));
  });
})();
