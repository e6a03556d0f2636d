// The live stream: listens, comes back by itself, and knows how old the figures are.

const RETRY_MS = 3000;
const LATE_S = 5;
const STALE_S = 10;

/** Calls `onSnapshot` with each picture; `age()` tells how many seconds the figures shown are behind now. */
export function listen(address, onSnapshot) {
  let source = null;
  let receivedAt = null;
  let ageThen = 0;

  function open() {
    source = new EventSource(address);
    source.onmessage = (event) => {
      const snapshot = JSON.parse(event.data);
      if (snapshot.figures) {
        receivedAt = performance.now();
        ageThen = snapshot.figures.age_s;
      }
      onSnapshot(snapshot);
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
    };
  }

  open();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && open());
  return { age: () => (receivedAt === null ? null : ageThen + (performance.now() - receivedAt) / 1000) };
}

/** waking (nothing received yet), fresh, late or stale. */
export function freshnessOf(age) {
  if (age === null) return "waking";
  if (age < LATE_S) return "fresh";
  return age < STALE_S ? "late" : "stale";
}
