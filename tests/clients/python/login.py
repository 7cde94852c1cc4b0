"""A person in a browser without scripts, and an application that has no library."""

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
import struct
import time
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

PAPE = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
CALLBACK = "https://app.example.test/callback"


class Forms(HTMLParser):
    """The forms of a page with their controls, and the page's words."""

    def __init__(self, html):
        super().__init__()
        self.forms, self.words, self.hidden = [], [], 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in ("script", "style", "svg"):
            self.hidden += 1
        elif tag == "form":
            self.forms.append({"action": attrs.get("action") or "", "controls": []})
        elif tag in ("input", "button") and self.forms:
            self.forms[-1]["controls"].append({"tag": tag, **attrs})

    def handle_endtag(self, tag):
        if tag in ("script", "style", "svg"):
            self.hidden -= 1

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


class Authenticator:
    """An authenticator app: SHA-1, six digits, thirty seconds."""

    def __init__(self, secret):
        self.key = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
        self.last = 0

    def code(self):
        """A code that was not used yet. A code is good once, and the server looks one step back and one ahead: three at any time."""
        # The oldest of the three only while it stays good for long enough to be typed in.
        oldest = -1 if 30 - time.time() % 30 > 10 else 0
        step = max(int(time.time() // 30) + oldest, self.last + 1)
        while step > time.time() // 30 + 1:
            time.sleep(0.5)
        self.last = step
        mac = hmac.new(self.key, struct.pack(">Q", step), hashlib.sha1).digest()
        number = struct.unpack(">I", mac[(at := mac[-1] & 15) : at + 4])[0] & 0x7FFFFFFF
        return f"{number % 10**6:06}"


class VirtualKey:
    """One of the twin's virtual keys: security-key, touch-only, device or synced."""

    def __init__(self, issuer, kind):
        self.keys = f"{issuer}_dev/api/keys"
        self.id = self.post("", {"kind": kind})["id"]

    def post(self, path, body):
        response = httpx.post(self.keys + path, json=body)
        assert response.is_success, response.text
        return response.json()

    def ask(self, ceremony, options):
        """`navigator.credentials.create` or `get` with the JSON of its options."""
        return self.post(f"/{self.id}/{ceremony}", {"options": options})


class Person:
    """Somebody with a password, a browser and perhaps an authenticator app."""

    def __init__(self, issuer, email, password):
        self.issuer, self.email, self.password = issuer, email, password
        self.authenticator = None
        self.key = None
        self.browser = httpx.Client(headers={"accept": "text/html", "user-agent": "Mozilla/5.0 client tests"})

    def login(self, client, **parameters):
        """Logs in at an application; returns its tokens and the screens that were shown."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": client["client_id"],
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid profile email",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        callback, screens = self.walk(f"{self.issuer}authorize?{httpx.QueryParams(query)}")
        answer = {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}
        assert answer.get("state") == query["state"], callback
        assert "code" in answer, answer
        response = httpx.post(
            f"{self.issuer}oauth/token",
            json={
                "grant_type": "authorization_code",
                "client_id": client["client_id"],
                "client_secret": client["client_secret"],
                "code": answer["code"],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
            },
        )
        assert response.status_code == 200, response.text
        return response.json(), screens

    def walk(self, address):
        """Answers screen after screen until the browser is sent to the application."""
        screens, response = [], self.browser.get(address)
        while len(screens) < 15:
            while response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if not target.startswith(self.issuer):
                    return target, screens
                response = self.browser.get(target)
            page = Forms(response.text)
            assert response.status_code < 400, f"{response.url} answered {response.status_code}: {page.text[:500]}"
            screens.append(response.url.path.removeprefix("/u/"))
            response = self.answer(response, page, screens[-1])
        raise AssertionError(f"no end after the screens {screens}")

    def answer(self, response, page, screen):
        if screen == "login":
            return self.submit(response, page, username=self.email, password=self.password)
        if screen in ("mfa-otp-enrollment-qr", "mfa-otp-enrollment-code"):
            uri = re.search(r"otpauth://totp/[^\s\"'<>]*[?&;]secret=([A-Z2-7]+)", html.unescape(response.text))
            secret = uri[1] if uri else re.search(r"\b(?:[A-Z2-7]{4} ){3,}[A-Z2-7]{1,4}\b", page.text)[0]
            self.authenticator = Authenticator(secret)
            return self.submit(response, page, code=self.authenticator.code())
        if screen == "mfa-otp-challenge":
            return self.submit(response, page, code=self.authenticator.code())
        if screen.startswith("mfa-webauthn-") and screen.endswith("-challenge"):
            return self.press_key(response)
        if screen == "mfa-recovery-code-enrollment":
            controls = [control for form in page.forms for control in form["controls"]]
            box = next(control for control in controls if control.get("type") == "checkbox")
            return self.submit(response, page, **{box["name"]: box.get("value") or "on"})
        raise AssertionError(f"nobody told the test what to do on {response.url}: {page.text[:500]}")

    def press_key(self, response):
        """Answers a page that asks for a key, as its script does."""
        ceremony, options = re.search(r'data-key="(create|get)" data-options="([^"]*)"', response.text).groups()
        answer = self.key.ask(ceremony, json.loads(html.unescape(options)))
        page = Forms(response.text)
        for form in page.forms:
            form["controls"].append({"tag": "input", "type": "hidden", "name": "response"})
        return self.submit(response, page, response=json.dumps(answer))

    def submit(self, response, page, /, button="default", **values):
        for form in page.forms:
            names = {control.get("name") for control in form["controls"]}
            presses = any(control["tag"] == "button" and control.get("value") == button for control in form["controls"])
            if presses and names.issuperset(values):
                break
        else:
            raise AssertionError(f"no form of {response.url} has {list(values)} and a button {button!r}: {page.forms}")
        kept = {
            control["name"]: control.get("value") or ""
            for control in form["controls"]
            if control["tag"] == "input" and control.get("name") and control.get("type") not in ("checkbox", "radio")
        }
        data = {**kept, **values, "action": button}
        return self.browser.post(urljoin(str(response.url), form["action"]), data=data)
