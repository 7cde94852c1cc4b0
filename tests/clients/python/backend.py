"""The guide's Flask backend: a token is checked with PyJWT, and only those of people who did MFA pass."""

from functools import wraps

import jwt
from flask import Flask, g, jsonify, request


def create_app(domain, audience):
    app = Flask(__name__)
    keys_url = f"https://{domain}/.well-known/jwks.json"

    def requires_auth(view):
        @wraps(view)
        def checked(*args, **kwargs):
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer" or not token:
                return jsonify({"error": "Missing token"}), 401
            try:
                key = jwt.PyJWKClient(keys_url).get_signing_key_from_jwt(token)
                g.claims = jwt.decode(
                    token, key.key, algorithms=["RS256"], audience=audience, issuer=f"https://{domain}/"
                )
            except jwt.PyJWTError as error:
                return jsonify({"error": f"Invalid token: {error}"}), 401
            return view(*args, **kwargs)

        return checked

    def requires_mfa(view):
        @wraps(view)
        def checked(*args, **kwargs):
            if "mfa" not in g.claims.get("amr", []):
                return jsonify({"error": "MFA required", "code": "mfa_required"}), 403
            return view(*args, **kwargs)

        return checked

    @app.get("/profile")
    @requires_auth
    def profile():
        return jsonify({"sub": g.claims["sub"]})

    @app.post("/transfer")
    @requires_auth
    @requires_mfa
    def transfer():
        return jsonify({"success": True})

    return app
