#!/usr/bin/env bash
# The MFA guide's shell commands, one after the other, as its reader types them. The environment names a tenant (DOMAIN), a machine (CID,
# CSECRET), its token (T), a user with an authentication method (UID_), and the code of an Action (CODE).
#
# A second run finds the Action that the first one made: AGAIN=1 says that this is one.
set -euo pipefail

auth0 login --domain "$DOMAIN" --client-id "$CID" --client-secret "$CSECRET" --no-input
auth0 api get guardian/factors | jq -e 'type=="array"'
for factor in otp sms push-notification webauthn-roaming webauthn-platform email; do
    auth0 api put "guardian/factors/$factor" --data '{"enabled": true}' | jq -e '.enabled==true'
done
auth0 api patch guardian/policies --data '["all-applications"]' | jq -e '.==["all-applications"]'
auth0 api get guardian/policies | jq -e '.==["all-applications"]'

create=(auth0 actions create --name "Conditional MFA" --trigger post-login --code "$CODE" --no-input --json)
if [ -n "${AGAIN:-}" ]; then
    if "${create[@]}"; then
        echo "a second Action of the same name was made" >&2
        exit 1
    fi
    id=$(auth0 api get "actions/actions?actionName=Conditional%20MFA" | jq -r '.actions[0].id')
else
    # The tool prints a hint after the object.
    id=$("${create[@]}" | jq -rn 'first(inputs) | .id')
fi
auth0 actions deploy "$id" --no-input
auth0 api patch actions/triggers/post-login/bindings \
    --data "{\"bindings\":[{\"ref\":{\"type\":\"action_id\",\"value\":\"$id\"}}]}" | jq -e ".bindings[0].action.id==\"$id\""

api() { curl --silent --show-error --cacert "$SSL_CERT_FILE" -H "Authorization: Bearer $T" "$@"; }
api --fail "https://$DOMAIN/api/v2/users/$UID_/authenticators" | jq -e 'type=="array"'
authenticator=$(auth0 api get "users/$UID_/authenticators" | jq -r '.[0].id')
test "$(api -o /dev/null -w '%{http_code}' -X DELETE "https://$DOMAIN/api/v2/users/$UID_/authenticators/$authenticator")" = 204
answer=$(api -w '\n%{http_code}' -X POST "https://$DOMAIN/api/v2/guardian/enrollments/ticket" \
    -H 'Content-Type: application/json' -d "{\"user_id\":\"$UID_\",\"send_mail\":true}")
test "${answer##*$'\n'}" = 200
jq -e '.ticket_id and .ticket_url' <<<"${answer%$'\n'*}"
echo "the guide's commands all did what it says"
