import { auth0 } from "../../../lib/auth0.js";

/** Renews the access token; MFA that is required first is told with what the browser needs for it. */
export async function POST() {
  try {
    await auth0.getAccessToken({ refresh: true });
    return Response.json({ success: true });
  } catch (error) {
    return Response.json(
      { code: error.code, mfa_token: error.mfa_token, mfa_requirements: error.mfa_requirements },
      { status: 403 },
    );
  }
}
