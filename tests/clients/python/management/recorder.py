"""Notes which methods of an SDK's client were called, and which of them have answered."""

import inspect


def is_part(value):
    return type(value).__module__.startswith("auth0.management") and type(value).__name__.endswith("Client")


def methods_of(client, path=()):
    """The methods of a client and of its parts (`users.roles.assign`), read off its classes."""
    for name in dir(type(client)):
        if name.startswith("_") or name == "with_raw_response":
            continue
        member = inspect.getattr_static(type(client), name)
        if isinstance(member, property):
            part = getattr(client, name)
            if is_part(part):
                yield from methods_of(part, (*path, name))
        elif inspect.isfunction(member):
            yield ".".join((*path, name))


class Recorder:
    def __init__(self, connect):
        self.connect = connect
        self.answered = set()
        self.reconnect()

    def reconnect(self):
        """Forgets the token: what a key signed dies with the key."""
        self.plain = self.connect()

    @property
    def client(self):
        """The client, watched."""
        return Watched(self, lambda: self.plain, ())

    def watch(self, client):
        """Another client, watched too."""
        return Watched(self, lambda: client, ())


class Watched:
    def __init__(self, recorder, find, path):
        self._recorder, self._find, self._path = recorder, find, path

    def __getattr__(self, name):
        value = getattr(self._find(), name)
        path = (*self._path, name)
        if is_part(value):
            return Watched(self._recorder, lambda: getattr(self._find(), name), path)
        if not inspect.ismethod(value):
            return value

        def call(*args, **kwargs):
            answer = value(*args, **kwargs)
            self._recorder.answered.add(".".join(path))
            return answer

        return call
