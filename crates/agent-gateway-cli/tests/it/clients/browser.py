"""Evaluates an expression on a page of a headless Chromium, over the pipe of the DevTools protocol, and prints its value.

The expression may be a promise.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile

page, expression = sys.argv[1:]
signal.alarm(60)

to_browser, our_end = os.pipe()
our_ear, from_browser = os.pipe()


def take_ends():
    # The browser reads on 3 and writes on 4. Neither copy may overwrite the other's source.
    read, write = os.dup2(to_browser, 10), os.dup2(from_browser, 11)
    os.dup2(read, 3)
    os.dup2(write, 4)


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = subprocess.Popen(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--no-proxy-server", "--disable-background-networking", "--disable-component-update",
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=take_ends, close_fds=False,
    )
    os.close(to_browser)
    os.close(from_browser)
    sender, ear = os.fdopen(our_end, "wb", buffering=0), os.fdopen(our_ear, "rb")
    numbers = iter(range(1, 1000))

    def messages():
        text = b""
        while piece := ear.read1(65536):
            *whole, text = (text + piece).split(b"\0")
            yield from map(json.loads, whole)
        raise SystemExit("the browser went away")

    heard = messages()

    def call(method, session=None, **params):
        number = next(numbers)
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        sender.write(json.dumps(message).encode() + b"\0")
        for answer in heard:
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]

    target = call("Target.createTarget", url="about:blank")["targetId"]
    session = call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    call("Page.enable", session)
    call("Page.navigate", session, url=page)
    next(event for event in heard if event.get("method") == "Page.loadEventFired")
    value = call("Runtime.evaluate", session, expression=expression, awaitPromise=True, returnByValue=True)
    call("Browser.close")
    browser.wait()

if "exceptionDetails" in value:
    raise SystemExit(json.dumps(value["exceptionDetails"]))
json.dump(value["result"]["value"], sys.stdout)
