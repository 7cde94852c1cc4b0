// A browser without scripts: cookies, redirects and forms, which is all that the login pages need.

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

export function decodeEntities(text) {
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/gi, (whole, name) => {
    if (name[0] !== "#") return ENTITIES[name.toLowerCase()] ?? whole;
    const code = /^#x/i.test(name) ? parseInt(name.slice(2), 16) : Number(name.slice(1));
    return String.fromCodePoint(code);
  });
}

function attributes(tag) {
  const found = {};
  for (const [, name, , double, single, bare] of tag.matchAll(
    /\s([a-z][a-z0-9:_-]*)(\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+)))?/gi,
  )) {
    found[name.toLowerCase()] = decodeEntities(double ?? single ?? bare ?? "");
  }
  return found;
}

function parseForms(html) {
  const bare = html.replace(/<!--[\s\S]*?-->/g, "").replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, "");
  return [...bare.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head, body]) => {
    const form = attributes(head);
    const controls = [...body.matchAll(/<(input|button|select|textarea)\b([^>]*)>/gi)].map(([, tag, rest]) => ({
      tag: tag.toLowerCase(),
      ...attributes(rest),
    }));
    return { action: form.action ?? "", method: (form.method ?? "get").toLowerCase(), controls };
  });
}

export class Page {
  constructor(status, url, html, headers) {
    Object.assign(this, { status, url: new URL(url), html, headers, forms: parseForms(html) });
  }

  /** The screen's name: the last part of its path. */
  get screen() {
    return this.url.pathname.replace(/^\/u\//, "");
  }

  get text() {
    const body = this.html.replace(/<(script|style|svg)\b[\s\S]*?<\/\1>/gi, " ").replace(/<[^>]*>/g, " ");
    return decodeEntities(body).replace(/\s+/g, " ").trim();
  }
}

export class Browser {
  #cookies = new Map();

  /** @param origin of the server; a redirect to anywhere else is not followed but returned. */
  constructor(origin) {
    this.origin = new URL(origin).origin;
  }

  cookie(name) {
    return this.#cookies.get(name);
  }

  #take(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...flags] = line.split(/;\s*/);
      const name = pair.slice(0, pair.indexOf("="));
      const value = pair.slice(pair.indexOf("=") + 1);
      const flag = (wanted) =>
        flags.find((f) => f.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const age = flag("max-age");
      const expires = flag("expires");
      const gone = age !== undefined ? Number(age) <= 0 : expires && Date.parse(expires) <= Date.now();
      if (gone) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }

  async #request(url, options) {
    const cookies = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      ...options,
      redirect: "manual",
      headers: {
        accept: "text/html",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64) Lockstep client tests",
        ...(cookies && { cookie: cookies }),
        ...options.headers,
      },
    });
    this.#take(response);
    return response;
  }

  /** Opens an address; returns a `Page`, or the `URL` of another origin that it was sent to. */
  async open(url, options = { method: "GET" }) {
    let next = new URL(url, this.origin);
    for (let hops = 0; hops < 20; hops += 1) {
      if (next.origin !== this.origin) return next;
      const response = await this.#request(next, options);
      const location = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || location === null) {
        return new Page(response.status, next, await response.text(), response.headers);
      }
      await response.arrayBuffer();
      next = new URL(location, next);
      options = { method: "GET" };
    }
    throw new Error(`redirected too often, last to ${next}`);
  }

  /** Fills in a form of the page and presses a button (by its value). */
  async submit(page, values, button = "default") {
    const presses = (control) => control.tag === "button" && control.name === "action" && control.value === button;
    const form = page.forms.find(
      (candidate) =>
        candidate.method === "post" &&
        candidate.controls.some(presses) &&
        Object.keys(values).every((name) => candidate.controls.some((control) => control.name === name)),
    );
    if (!form) {
      throw new Error(
        `${page.url} has no form with ${JSON.stringify(Object.keys(values))} and a button "${button}":\n` +
          JSON.stringify(page.forms, null, 1),
      );
    }
    const body = new URLSearchParams();
    for (const control of form.controls) {
      if (!control.name || control.tag === "button") continue;
      if (control.name in values) continue;
      const box = control.type === "checkbox" || control.type === "radio";
      if (box && !("checked" in control)) continue;
      body.append(control.name, control.value ?? (box ? "on" : ""));
    }
    for (const [name, value] of Object.entries(values)) {
      if (value === true) body.append(name, form.controls.find((control) => control.name === name).value ?? "on");
      else if (value !== false) body.append(name, value);
    }
    body.append("action", button);
    return this.open(new URL(form.action || page.url, page.url), {
      method: "POST",
      body,
      headers: { origin: this.origin, referer: page.url.href },
    });
  }
}
