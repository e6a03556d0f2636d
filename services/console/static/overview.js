// The operators' overview: each picture of the stream goes into the slots, the lists and the chart.

import { makeChart } from "./chart.js";
import { freshnessOf, listen } from "./live.js";
import { fill, fillList, timeOf, valueAt } from "./slots.js";

const AGES = {
  waking: { zh: () => "正在连接", en: () => "connecting" },
  fresh: { zh: (s) => `实时 ${s} 秒`, en: (s) => `live, ${s} s old` },
  late: { zh: (s) => `迟 ${s} 秒`, en: (s) => `late, ${s} s old` },
  stale: { zh: (s) => `过期 ${s} 秒`, en: (s) => `stale, ${s} s old` },
};

const chart = makeChart(document.getElementById("chart"));
const banner = document.getElementById("banner");
let known = null;

async function show(snapshot) {
  // A picture without figures leaves the last ones standing: their age tells.
  known = snapshot.figures ?? known;
  const values = { ...snapshot, figures: known };
  document.body.dataset.reach = snapshot.reach?.shows_alarms ? "alarms" : "totals";
  fill(document, values);
  for (const list of document.querySelectorAll("[data-list]")) fillList(list, valueAt(values, list.dataset.list) ?? []);
  if (!snapshot.figures) return;
  for (const part of document.querySelectorAll("[data-bar]")) {
    const { x, width } = known.colours.bar[part.dataset.bar];
    part.setAttribute("x", x);
    part.setAttribute("width", width);
  }
  (await chart)?.(known.scans);
}

function showAge(age) {
  const freshness = freshnessOf(age);
  const seconds = age === null ? 0 : Math.floor(age);
  document.getElementById("age-zh").textContent = AGES[freshness].zh(seconds);
  document.getElementById("age-en").textContent = AGES[freshness].en(seconds);
  if (document.body.dataset.freshness === freshness) return;
  document.body.dataset.freshness = freshness;
  const until = known ? timeOf(known.known_until) : "";
  // Said once, when it happens: the age itself would talk every second.
  banner.textContent = freshness === "stale" ? `数字停在 ${until}，不是现在。 The figures stopped at ${until}; they are not now.` : "";
}

// The token is kept in this page's memory only: neither stored nor shown, and gone when the page is.
const pasted = document.getElementById("token");
const refused = document.getElementById("token-refused");
const stream = listen("/v1/live", show, () => (refused.hidden = false));
document.getElementById("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  refused.hidden = true;
  stream.use(pasted.value.trim() || null);
  pasted.value = "";
});
setInterval(() => showAge(stream.age()), 500);
