"""Runs the handler.py of one tool: a JSON line comes in, a JSON line goes out, one call at a time.

Arguments: the path of handler.py, the memory limit in bytes, the longest answer in bytes.
"""
import importlib
import importlib.util
import inspect
import json
import os
import queue
import resource
import signal
import sys
import threading
import traceback

HANDLER, MEMORY, LONGEST = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
DIRECTORY = os.path.dirname(HANDLER)
PROCESS = os.getpid()
LONGEST_MESSAGE = 500
LONGEST_TRACEBACK = 16 * 1024
# Reserved but unused address space (thread arenas, libraries) is not memory; this much of it is let through.
RESERVED = 4 << 30


class Context(dict):
    """What a call knows of its execution, as attributes and as a mapping."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the context has no {name!r}") from None

    def __setattr__(self, name, value):
        self[name] = value

    def __repr__(self):
        # A handler that prints its context must not print secrets.
        return f"Context({dict(self, user_secrets='[redacted]')!r})"


class Handler:
    """The module handler.py and its siblings, read again after an edit."""

    def __init__(self):
        self.call = None
        self.seen = {}
        self.counted = 0

    def __call__(self, arguments, context):
        if self.call is None or any(stamp(path) != seen for path, seen in self.seen.items()):
            self.load()
        result = self.call(arguments, context)
        if inspect.isawaitable(result):
            result = event_loop().run_until_complete(finish(result))
        self.watch()
        return result

    def load(self):
        self.call = None
        for name in [name for name, _ in own_modules()]:
            del sys.modules[name]
        importlib.invalidate_caches()
        # The stamp is older than what is read: an edit in between is seen by the next call.
        self.seen = {HANDLER: stamp(HANDLER)}
        self.counted = 0
        spec = importlib.util.spec_from_file_location("handler", HANDLER)
        module = importlib.util.module_from_spec(spec)
        sys.modules["handler"] = module
        with open(HANDLER, "rb") as file:
            source = file.read()
        # Compiled here, because the cache beside the file cannot tell two edits within a second apart.
        exec(compile(source, HANDLER, "exec"), module.__dict__)
        self.watch()
        handle = getattr(module, "handle", None)
        if not callable(handle):
            raise AttributeError("handler.py has no function `handle(arguments, context)`")
        self.call = with_two_arguments(handle)

    def watch(self):
        """Takes modules of the tool's directory that were imported meanwhile under watch."""
        if len(sys.modules) != self.counted:
            for _, path in own_modules():
                self.seen.setdefault(path, stamp(path))
            self.counted = len(sys.modules)


def own_modules():
    found = []
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py") and path.startswith(DIRECTORY + os.sep):
            if "site-packages" not in path[len(DIRECTORY):]:
                found.append((name, path))
    return found


def stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def with_two_arguments(handle):
    """`handle` as a function of arguments and context, however many of the two it takes."""
    try:
        parameters = list(inspect.signature(handle).parameters.values())
    except (TypeError, ValueError):
        return handle
    kinds = [parameter.kind for parameter in parameters]
    positional = sum(kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds)
    if positional >= 2 or inspect.Parameter.VAR_POSITIONAL in kinds:
        return handle
    by_name = [p.name for p in parameters if p.kind == inspect.Parameter.KEYWORD_ONLY]
    if "context" in by_name or inspect.Parameter.VAR_KEYWORD in kinds:
        return lambda arguments, context: handle(arguments, context=context)
    return lambda arguments, context: handle(arguments)


async def finish(awaitable):
    return await awaitable


LOOP = []


def event_loop():
    """One loop for all calls, so that clients which a handler keeps open go on working."""
    if not LOOP or LOOP[0].is_closed():
        import asyncio

        LOOP[:] = [asyncio.new_event_loop()]
        asyncio.set_event_loop(LOOP[0])
    return LOOP[0]


def as_json(value):
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=plain_leaf)
    except (TypeError, ValueError):
        # Odd keys, or numbers that JSON does not have.
        text = json.dumps(plain(value, 0), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def plain_leaf(value):
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if not isinstance(value, type):
        if callable(getattr(value, "model_dump", None)):
            return value.model_dump()
        if hasattr(value, "__dataclass_fields__"):
            return {name: getattr(value, name) for name in value.__dataclass_fields__}
    return str(value)


def plain(value, depth):
    if depth > 100:
        raise ValueError("the result is nested too deeply, or part of itself")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    return plain(plain_leaf(value), depth + 1)


def reply(handler, request):
    """The answer to one request, as the bytes of one line."""
    number = request["id"]
    try:
        result = as_json(handler(request["arguments"], Context(request["context"])))
    except BaseException as raised:
        return as_json(dict(failure(raised), id=number, ok=False))
    if len(result) > LONGEST:
        return as_json({"id": number, "ok": False, "kind": "too_large", "error": f"{len(result)} bytes"})
    return b'{"id":%d,"ok":true,"result":%s}' % (number, result)


def failure(raised):
    try:
        name = type(raised).__name__
        if isinstance(raised, SystemExit):
            return {"kind": "raised", "error": f"the handler called sys.exit({raised.code!r})"}
        lines = str(raised).strip().splitlines()
        error = f"{name}: {lines[0].strip()}" if lines else name
        trace = "".join(traceback.format_exception(type(raised), raised, raised.__traceback__))
        kind = "raised"
        if isinstance(raised, MemoryError):
            # After a lack of memory the process is not to be trusted with another call.
            kind = "out_of_memory"
        elif isinstance(raised, KeyError) and asked_environment(raised.__traceback__):
            kind = "no_variable"
        return {
            "kind": kind,
            "error": error[:LONGEST_MESSAGE],
            "traceback": trace[-LONGEST_TRACEBACK:],
        }
    except MemoryError:
        return {"kind": "out_of_memory", "error": "MemoryError"}
    except BaseException:
        return {"kind": "raised", "error": type(raised).__name__}


def asked_environment(frames):
    """Whether the exception began in `os.environ[name]`."""
    code = None
    for frame, _ in traceback.walk_tb(frames):
        code = frame.f_code
    return code is type(os.environ).__getitem__.__code__


def read(source, requests):
    for line in source:
        requests.put(line)
    # The gateway is gone or wants no more: what the handler started goes too, even while it hangs.
    if os.getpgrp() == PROCESS:
        os.killpg(PROCESS, signal.SIGKILL)
    os._exit(1)


def limit(which, most):
    soft, hard = resource.getrlimit(which)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    if most < 1 << 62:
        resource.setrlimit(which, (most, most))


def add_search_path():
    """The tool's directory, and what isolated mode leaves out although a handler may count on it."""
    import site

    user = site.getusersitepackages()
    if sys.prefix == sys.base_prefix and os.path.isdir(user):
        site.addsitedir(user)
    sys.path[:0] = [DIRECTORY, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]


def main():
    # The protocol gets pipes of its own; what handlers and their children print goes to the log.
    source = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    requests = queue.SimpleQueue()
    threading.Thread(target=read, args=(source, requests), daemon=True).start()

    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_DATA, MEMORY)
    limit(resource.RLIMIT_AS, MEMORY + RESERVED)
    sys.argv = [HANDLER]
    add_search_path()

    handler = Handler()
    while True:
        line = reply(handler, json.loads(requests.get()))
        if os.getpid() != PROCESS:
            # A handler forked and its child came back here: the answer is not the child's to give.
            os._exit(1)
        answers.write(line + b"\n")
        answers.flush()


main()
