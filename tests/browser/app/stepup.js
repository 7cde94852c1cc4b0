// The guide's two ways to ask for MFA before something important.

import { useAuth0 } from "@auth0/auth0-react";
import { useCallback } from "react";

export const PAPE = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/** The basic form: ask for a token with MFA and let the SDK see to the rest. */
export function useBasicStepUp() {
  const { getAccessTokenSilently } = useAuth0();
  return useCallback(
    () => getAccessTokenSilently({ authorizationParams: { acr_values: PAPE, max_age: 0 } }),
    [getAccessTokenSilently],
  );
}

/** The hook: is it done already, can it be had silently, or must the person be sent there? */
export function useStepUp() {
  const { getAccessTokenSilently, getIdTokenClaims, loginWithRedirect } = useAuth0();

  const hasMfa = useCallback(async () => {
    const claims = await getIdTokenClaims();
    return Boolean(claims?.amr?.includes("mfa"));
  }, [getIdTokenClaims]);

  const requireMfa = useCallback(
    async ({ maxAge = 0, onSilentFailure = () => {} } = {}) => {
      if (await hasMfa()) return true;
      const authorizationParams = { acr_values: PAPE, max_age: maxAge };
      try {
        await getAccessTokenSilently({ authorizationParams, cacheMode: "off" });
        return await hasMfa();
      } catch (error) {
        onSilentFailure(error);
        await loginWithRedirect({ authorizationParams, appState: { after: "step-up" } });
        return false;
      }
    },
    [getAccessTokenSilently, hasMfa, loginWithRedirect],
  );

  return { hasMfa, requireMfa };
}
