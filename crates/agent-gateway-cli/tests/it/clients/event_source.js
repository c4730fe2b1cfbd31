// Reads the events of a run with the browser's own EventSource, which comes back by itself. Its promise is kept when the
// browser has given up: a gateway that has told everything says so.
new Promise((resolve) => {
  const seen = [];
  let breaks = 0;
  const source = new EventSource("PATH");
  for (const name of ["session", "token", "tool_call", "tool_result", "reset", "error", "done"]) {
    source.addEventListener(name, (event) => {
      if (event.data !== undefined) {
        seen.push({ id: event.lastEventId, name, data: event.data });
      }
    });
  }
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      resolve({ seen, breaks, url: location.pathname });
    } else {
      breaks += 1;
    }
  };
})
