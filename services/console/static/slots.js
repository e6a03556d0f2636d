// Writes figures into their slots, the way pages/formats.py writes them for the first picture.

const NOTHING = "–";
const zone = document.documentElement.dataset.timeZone;
const grouped = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });

const formats = {
  number: (value) => grouped.format(value),
  rate: (value) => (value >= 100 ? grouped.format(Math.round(value)) : value.toFixed(1)),
  share: (value) => `${value.toFixed((value > 0 && value < 1) || (value > 99 && value < 100) ? 2 : 1)} %`,
  changes: (value) => (value ? grouped.format(value) : NOTHING),
  stages: (value) => value.map(({ label, entries }) => [label.zh, label.en, grouped.format(entries)].filter(Boolean).join(" ")).join(" · "),
  lag: (value) => {
    const waiting = Object.entries(value).filter(([, records]) => records);
    if (!waiting.length) return Object.keys(value).length ? "0" : NOTHING;
    return waiting.map(([topic, records]) => `${topic.replace(/\.v\d+$/, "")} ${grouped.format(records)}`).join(" · ");
  },
  text: String,
  time: (value) => clock.format(new Date(value)),
};

export const timeOf = formats.time;

export const valueAt = (values, path) => path.split(".").reduce((found, name) => found?.[name], values);

/** Write every slot under `root` from `values`; a slot inside a list's row belongs to that row. */
export function fill(root, values) {
  for (const slot of root.querySelectorAll("[data-slot]")) {
    if (root === document && slot.closest("[data-list]")) continue;
    const value = valueAt(values, slot.dataset.slot);
    const text = value === undefined || value === null || value === "" ? NOTHING : formats[slot.dataset.format](value);
    if (slot.textContent === text) continue;
    slot.textContent = text;
    slot.dataset.none = text === NOTHING ? "yes" : "no";
  }
}

/** Make a list show `items` in their order: rows are kept by their key, new ones are marked so that they can be seen. */
export function fillList(list, items) {
  const { row, by } = list.dataset;
  const rows = new Map([...list.children].map((child) => [child.dataset.key, child]));
  // A whole new list is not news.
  const arrived = items.filter((item) => !rows.has(String(item[by]))).length;
  const isNews = list.dataset.filled === "yes" && arrived < items.length;
  const wanted = items.map((item) => {
    const key = String(item[by]);
    const element = rows.get(key) ?? document.getElementById(row).content.firstElementChild.cloneNode(true);
    if (isNews && !rows.has(key)) element.classList.add("is-new");
    element.dataset.key = key;
    if (item.state) element.dataset.state = item.state;
    if ("entries" in item) element.dataset.empty = item.entries ? "no" : "yes";
    fill(element, item);
    return element;
  });
  if (wanted.length !== list.children.length || wanted.some((element, index) => list.children[index] !== element)) {
    list.replaceChildren(...wanted);
  }
  list.dataset.filled = "yes";
}
