import { Auth0Client } from "@auth0/nextjs-auth0/server";

/** What an ID token says, unverified: the SDK has verified it. */
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

export const auth0 = new Auth0Client({
  authorizationParameters: { scope: "openid profile email offline_access" },
  // The session keeps the standard claims of a profile only: `amr` has to be taken over by hand.
  async beforeSessionSaved(session, idToken) {
    return { ...session, user: { ...session.user, amr: (idToken && claims(idToken).amr) ?? session.user.amr } };
  },
});
