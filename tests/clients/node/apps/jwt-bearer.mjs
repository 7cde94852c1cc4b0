// The same backend made with express-oauth2-jwt-bearer.

import express from "express";
import { auth, claimCheck, requiredScopes } from "express-oauth2-jwt-bearer";

export function backend({ domain, audience }) {
  const app = express();
  app.use(auth({ issuerBaseURL: `https://${domain}/`, audience, tokenSigningAlg: "RS256" }));
  app.get("/profile", (request, response) => response.json({ sub: request.auth.payload.sub }));
  app.get("/scoped", requiredScopes("transfer:funds"), (_request, response) => response.json({ success: true }));
  app.post(
    "/transfer",
    (request, response, next) => {
      if (request.auth.payload.amr?.includes("mfa")) return next();
      response.status(403).json({ error: "MFA required", code: "mfa_required" });
    },
    claimCheck((payload) => typeof payload.auth_time === "number", "auth_time is missing"),
    (_request, response) => response.json({ success: true }),
  );
  app.use((error, _request, response, _next) => {
    response.status(error.status ?? 500).json({ error: error.code ?? error.name, message: error.message });
  });
  return app;
}
