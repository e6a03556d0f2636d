// The moving chart of scans and stops a second. It is an addition: without its library the page says so and goes on.

const HEIGHT_MIN = 120;
const MEAN_S = 10;

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A function that draws the scans' figures into `box`; null where the library is not installed. */
export async function makeChart(box) {
  if (box.dataset.library !== "there") return null;
  const { default: uPlot } = await import("./vendor/uplot/uPlot.esm.js");
  let plot = null;
  let shown = [[], [], [], []];

  function build() {
    plot?.destroy();
    plot = new uPlot(options(uPlot, box), shown, box);
  }

  build();
  new ResizeObserver(() => plot.setSize(sizeOf(box))).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);

  return (scans) => {
    const count = scans.scans_by_second.length;
    const seconds = scans.scans_by_second.map((_, index) => index - count + 1);
    shown = [seconds, scans.scans_by_second, means(scans.scans_by_second), scans.stops_by_second];
    plot.setData(shown);
  };
}

/** Each second's mean over itself and the nine before it: the figure that is written large. */
function means(counts) {
  let sum = 0;
  return counts.map((count, index) => {
    sum += count - (counts[index - MEAN_S] ?? 0);
    return sum / Math.min(index + 1, MEAN_S);
  });
}

const sizeOf = (box) => ({ width: box.clientWidth, height: Math.max(HEIGHT_MIN, box.clientHeight) });

function options(uPlot, box) {
  const quiet = ink("--ink-quiet");
  const line = ink("--line");
  const em = parseFloat(getComputedStyle(document.documentElement).fontSize);
  // uPlot takes whole figures alone: it scales `(\d+)px` to the screen's pixels, and of 11.04px only the 04.
  const font = `${Math.round(0.75 * em)}px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: quiet, font, ticks: { show: false }, border: { show: false } };
  return {
    ...sizeOf(box),
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 18, 0, 0],
    scales: {
      x: { time: false },
      y: { range: (_, __, highest) => [0, Math.max(5, (highest ?? 0) * 1.15)] },
      // A few stops among thousands of scans would not be seen: theirs is the lower quarter.
      stops: { range: (_, __, highest) => [0, Math.max(12, (highest ?? 0) * 4)] },
    },
    axes: [
      {
        ...axis,
        size: 1.5 * em,
        grid: { show: false },
        splits: () => [-179, -120, -60, 0],
        values: (_, splits) => splits.map((s) => (s === 0 ? "now" : `${Math.round(s / 60)} min`)),
      },
      { ...axis, size: 2.6 * em, space: 36, grid: { stroke: line, width: 1 }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
    ],
    series: [
      {},
      { fill: ink("--bar"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.72, 8] }) },
      { stroke: ink("--accent"), width: 2, points: { show: false }, paths: uPlot.paths.spline() },
      { scale: "stops", fill: ink("--ink"), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.72, 8] }) },
    ],
  };
}
