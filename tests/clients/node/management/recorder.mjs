// Notes which methods of an SDK's client were called and have answered.

/** The methods of a client and of its parts (`users.roles.assign`), read off its prototypes. */
export function methodsOf(client, path = []) {
  const members = new Map();
  for (let level = Object.getPrototypeOf(client); level && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (name !== "constructor" && !name.startsWith("_") && !members.has(name)) members.set(name, descriptor);
    }
  }
  return [...members].flatMap(([name, descriptor]) => {
    if (!descriptor.get) return typeof descriptor.value === "function" ? [[...path, name].join(".")] : [];
    const part = client[name];
    return part && typeof part === "object" ? methodsOf(part, [...path, name]) : [];
  });
}

export class Recorder {
  /** Methods that answered at least once. */
  answered = new Set();

  /** The same client; `find` gives the one to ask, so that it can be exchanged. */
  watch(find, path = []) {
    return new Proxy(
      {},
      {
        get: (_, name) => {
          const target = find();
          const value = target[name];
          if (typeof name !== "string") return value;
          if (typeof value === "function") return (...args) => this.#note([...path, name].join("."), value.apply(target, args));
          return value && typeof value === "object" ? this.watch(() => find()[name], [...path, name]) : value;
        },
      },
    );
  }

  #note(method, promise) {
    promise.then(
      () => this.answered.add(method),
      // The test that asked sees the refusal.
      () => {},
    );
    return promise;
  }
}
