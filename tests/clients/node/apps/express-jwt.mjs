// A backend made with express-jwt and jwks-rsa that lets only people through who did MFA.

import express from "express";
import { expressjwt } from "express-jwt";
import jwksRsa from "jwks-rsa";

export function backend({ domain, audience }) {
  const app = express();
  const checkToken = expressjwt({
    secret: jwksRsa.expressJwtSecret({
      jwksUri: `https://${domain}/.well-known/jwks.json`,
      cache: true,
      rateLimit: true,
      jwksRequestsPerMinute: 5,
    }),
    issuer: `https://${domain}/`,
    audience,
    algorithms: ["RS256"],
  });

  const methods = (request) => request.auth?.amr ?? [];
  const requireMfa = (request, response, next) => {
    if (methods(request).includes("mfa")) return next();
    response.status(403).json({
      error: "MFA required",
      code: "mfa_required",
      message: "This action requires multi-factor authentication",
    });
  };
  const requireTotp = (request, response, next) => {
    if (["otp", "mfa"].some((method) => methods(request).includes(method))) return next();
    response.status(403).json({ error: "TOTP required", code: "totp_required" });
  };

  app.get("/profile", checkToken, (request, response) => response.json({ sub: request.auth.sub }));
  app.post("/transfer", checkToken, requireMfa, (_request, response) => response.json({ success: true }));
  app.post("/totp", checkToken, requireTotp, (_request, response) => response.json({ success: true }));
  app.use((error, _request, response, next) => {
    if (error.name !== "UnauthorizedError") return next(error);
    response.status(401).json({ error: error.code, message: error.message });
  });
  return app;
}
