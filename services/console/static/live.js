// The live stream: listens, comes back by itself, and knows how old the figures are.
// It is read by fetch, since an EventSource cannot send a token.

const RETRY_MS = 2000;
// Workers are asked each second and may take as long to answer, so an age of a few seconds is usual.
const LATE_S = 6;
const STALE_S = 10;

/**
 * Calls `onSnapshot` with each picture. `ages()` tells by source how many seconds the figures shown are behind now:
 * null before the first picture, Infinity for a source of which that is not known.
 * `use(token)` begins anew with that token, or with none; `onRefused` is called when the server does not take it.
 */
export function listen(address, onSnapshot, onRefused) {
  let token = null;
  let ending = null;
  let receivedAt = null;
  let sources = {};

  function take(snapshot) {
    if (snapshot.figures) {
      receivedAt = performance.now();
      sources = snapshot.sources;
    }
    onSnapshot(snapshot);
  }

  async function open() {
    ending?.abort();
    const ended = new AbortController();
    ending = ended;
    while (!ended.signal.aborted) {
      try {
        const headers = token === null ? {} : { authorization: `Bearer ${token}` };
        const answer = await fetch(address, { headers, signal: ended.signal, cache: "no-store" });
        if (answer.status === 401 && token !== null) {
          token = null;
          onRefused();
          continue;
        }
        if (answer.ok) for await (const data of messages(answer.body)) take(JSON.parse(data));
      } catch {
        // The server is away or the page leaves: the age of the figures tells it.
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  open();
  addEventListener("pagehide", () => ending.abort());
  addEventListener("pageshow", (event) => event.persisted && open());
  return {
    ages: () => {
      if (receivedAt === null) return null;
      const since = (performance.now() - receivedAt) / 1000;
      return Object.fromEntries(Object.entries(sources).map(([name, { age_s }]) => [name, (age_s ?? Infinity) + since]));
    },
    use: (given) => {
      token = given;
      open();
    },
  };
}

/** The `data` of each server-sent event. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) {
        const data = event.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
        if (data.length) yield data.join("\n");
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** fresh, late or stale. */
export function freshnessOf(age) {
  if (age < LATE_S) return "fresh";
  return age < STALE_S ? "late" : "stale";
}
