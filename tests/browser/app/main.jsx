// A small single-page app made with the official React SDK.

import { Auth0Provider, useAuth0 } from "@auth0/auth0-react";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { useBasicStepUp, useStepUp } from "./stepup.js";

const describe = (error) => ({ error: error.error ?? error.name, description: error.error_description ?? error.message });

function Shop() {
  const auth = useAuth0();
  const stepUp = useStepUp();
  const basic = useBasicStepUp();
  const [claims, setClaims] = useState();
  // What happened last survives the redirect that it caused.
  const [result, setResult] = useState(() => sessionStorage.getItem("result") ?? "");

  const tell = (value) => {
    const text = JSON.stringify(value);
    sessionStorage.setItem("result", text);
    setResult(text);
  };
  const attempt = (name, action) => async () => {
    tell({ name, pending: true });
    try {
      tell({ name, value: await action() });
    } catch (error) {
      tell({ name, ...describe(error) });
    }
    setClaims(await auth.getIdTokenClaims());
  };

  useEffect(() => {
    if (auth.isAuthenticated) auth.getIdTokenClaims().then(setClaims);
  }, [auth.isAuthenticated, auth.user]);

  if (auth.isLoading) return <p id="loading">Loading</p>;
  const fresh = (options) => auth.getAccessTokenSilently({ cacheMode: "off", detailedResponse: true, ...options });
  // For tests of the SDK's own calls, which need no page of ours.
  globalThis.sdk = { renew: fresh, mfa: auth.mfa };
  return (
    <main>
      <h1>Shop</h1>
      <p id="state">{auth.isAuthenticated ? `Hello ${auth.user.email}` : "Nobody is here"}</p>
      {auth.error && <p id="error">{JSON.stringify(describe(auth.error))}</p>}
      <button id="login" onClick={() => auth.loginWithRedirect()}>Log in</button>
      <button id="signup" onClick={() => auth.loginWithRedirect({ authorizationParams: { screen_hint: "signup" } })}>
        Sign up
      </button>
      <button id="renew" onClick={attempt("renew", () => fresh())}>Renew</button>
      <button
        id="hook"
        onClick={attempt("hook", () =>
          stepUp.requireMfa({ onSilentFailure: (error) => sessionStorage.setItem("silent", JSON.stringify(describe(error))) }),
        )}
      >
        Transfer money (hook)
      </button>
      <button id="hook-hour" onClick={attempt("hook-hour", () => stepUp.requireMfa({ maxAge: 3600 }))}>
        Transfer money (MFA of the last hour)
      </button>
      <button id="basic" onClick={attempt("basic", () => basic())}>Transfer money (basic)</button>
      <button id="logout" onClick={() => auth.logout({ logoutParams: { returnTo: window.location.origin } })}>
        Log out
      </button>
      <pre id="claims">{JSON.stringify(claims ?? null)}</pre>
      <output id="result">{result}</output>
    </main>
  );
}

const config = await (await fetch("/config.json")).json();
createRoot(document.getElementById("root")).render(
  <Auth0Provider
    domain={config.domain}
    clientId={config.clientId}
    authorizationParams={{ redirect_uri: window.location.origin, ...config.authorizationParams }}
    {...config.options}
  >
    <Shop />
  </Auth0Provider>,
);
