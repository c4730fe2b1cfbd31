"""Reads a streamed turn with httpx-sse; when the line breaks, comes back with the last id. Prints what it saw."""
import json
import sys

import httpx
import httpx_sse

base, agent = sys.argv[1:]
seen, breaks = [], 0


def read(source):
    for event in source.iter_sse():
        seen.append({"id": event.id, "name": event.event, "data": event.data})


with httpx.Client(base_url=base, timeout=20, trust_env=False) as client:
    body = {"message": "go", "options": {"stream": True, "detach": True}}
    try:
        with httpx_sse.connect_sse(client, "POST", f"/v1/agents/{agent}/chat", json=body) as source:
            source.response.raise_for_status()
            read(source)
    except httpx.TransportError:
        breaks += 1
        path = f"/v1/executions/{json.loads(seen[0]['data'])['execution_id']}/events"
        headers = {"Last-Event-ID": seen[-1]["id"]}
        with httpx_sse.connect_sse(client, "GET", path, headers=headers) as source:
            source.response.raise_for_status()
            read(source)

json.dump({"seen": seen, "breaks": breaks}, sys.stdout)
