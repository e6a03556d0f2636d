// The operators' overview: each picture of the stream goes into the slots, the lists and the chart.

import { makeChart } from "./chart.js";
import { freshnessOf, listen } from "./live.js";
import { fill, fillList, timeOf, valueAt } from "./slots.js";

const SOURCES = {
  checkpoints: { zh: "过卡", en: "scans" },
  codes: { zh: "健康码", en: "codes" },
  ledger: { zh: "台账", en: "ledgers" },
};

const AGES = {
  fresh: { zh: (s) => `实时 ${s} 秒`, en: (s) => `live, ${s} s old` },
  late: { zh: (s) => `迟 ${s} 秒`, en: (s) => `late, ${s} s old` },
  stale: { zh: (s) => `过期 ${s} 秒`, en: (s) => `stale, ${s} s old` },
  unknown: { zh: () => "时间不明", en: () => "of unknown age" },
};

const chart = makeChart(document.getElementById("chart"));
const banner = document.getElementById("banner");
let known = null;
let sources = {};

async function show(snapshot) {
  // A picture without figures leaves the last ones standing: their age tells.
  known = snapshot.figures ?? known;
  if (snapshot.figures) sources = snapshot.sources;
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

/** The age of each section's figures in its head, and of the oldest of all in the page's. */
function showAges(ages) {
  if (ages === null) return;
  for (const section of document.querySelectorAll("[data-source]")) showAgeOf(section, ages[section.dataset.source]);
  const oldest = Object.keys(ages).reduce((one, other) => (ages[other] > ages[one] ? other : one));
  const freshness = freshnessOf(ages[oldest]);
  const old = Object.keys(ages).filter((name) => freshnessOf(ages[name]) === freshness);
  // A source is named where it is not as the others are.
  const named = old.length < Object.keys(ages).length ? old.map((name) => SOURCES[name]) : [];
  const told = AGES[ages[oldest] === Infinity ? "unknown" : freshness];
  const seconds = Math.floor(ages[oldest]);
  write("age-zh", named.map(({ zh }) => zh).join("、") + told.zh(seconds));
  write("age-en", `${named.map(({ en }) => en).join(" and ")} ${told.en(seconds)}`.trim());
  document.body.dataset.freshness = freshness;
  // Said once, when it happens: the age itself would talk every second.
  const warning = freshness === "stale" ? warningOf(old) : "";
  if (banner.textContent !== warning) banner.textContent = warning;
}

function showAgeOf(section, age) {
  const freshness = freshnessOf(age);
  const until = sources[section.dataset.source].known_until;
  const told = until ? [`停在 ${timeOf(until)}`, "stopped"] : ["时间不明", "of unknown age"];
  const seconds = Math.floor(age);
  section.dataset.age = freshness;
  const [zh, en] = section.querySelectorAll(".as-of > span");
  [zh.textContent, en.textContent] = freshness === "stale" ? told : [`${seconds} 秒前`, `${seconds} s ago`];
}

function warningOf(old) {
  return old
    .map((name) => {
      const { zh, en } = SOURCES[name];
      const until = sources[name].known_until;
      if (!until) return `${zh}的数字不知是何时的。 Nobody knows how old the figures of ${en} are.`;
      return `${zh}的数字停在 ${timeOf(until)}，不是现在。 The figures of ${en} stopped at ${timeOf(until)}; they are not now.`;
    })
    .join(" ");
}

const write = (id, text) => (document.getElementById(id).textContent = text);

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
setInterval(() => showAges(stream.ages()), 500);
