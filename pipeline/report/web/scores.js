// The histogram of scores: drag over it, or write two numbers.
const scores = (() => {
  const BINS = 25, WIDTH = 250, HEIGHT = 64;
  const root = find(".scores");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const bars = Array.from({ length: BINS }, (_, at) => {
    const bar = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    bar.setAttribute("x", (at * WIDTH) / BINS + 0.5);
    bar.setAttribute("width", WIDTH / BINS - 1);
    svg.append(bar);
    return bar;
  });
  const field = (name, value) => {
    const input = make("input", { type: "number", min: "0", max: "100", step: "1", "aria-label": `${name} score in percent`, value });
    input.addEventListener("change", fromFields);
    return input;
  };
  const low = field("lowest", "0"), high = field("highest", "100");
  const bounded = (value, otherwise) => (value === "" ? otherwise : Math.min(100, Math.max(0, Math.round(Number(value)))));
  function fromFields() {
    const ends = [bounded(low.value, 0), bounded(high.value, 100)].sort((a, b) => a - b);
    state.set("score", ends.map((end) => end / 100));
  }

  let from = null;
  const share = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  const range = (a, b) => [Math.min(a, b), Math.max(a, b)].map((end) => Math.round(100 * end) / 100);
  svg.addEventListener("pointerdown", (event) => { from = share(event); svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", (event) => {
    if (from !== null && Math.abs(share(event) - from) > 0.01) state.set("score", range(from, share(event)));
  });
  svg.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(share(event) - from) <= 0.01) state.set("score", [0, 1]);
    from = null;
  });
  svg.addEventListener("pointercancel", () => { from = null; });
  root.append(
    make("div", { class: "head" }, make("h3", {}, "Scores")),
    svg,
    make("div", { class: "ends" }, make("label", {}, "from ", low, " %"), make("label", {}, "to ", high, " %")),
  );

  return {
    refresh() {
      const counts = state.counts(BINS, SCORE, (row) => Math.min(BINS - 1, Math.floor(BINS * rows.score[row])));
      const most = Math.max(1, ...counts), [first, last] = state.filters.score;
      counts.forEach((count, at) => {
        const tall = count ? Math.max(2, (HEIGHT * count) / most) : 0;
        bars[at].setAttribute("y", HEIGHT - tall);
        bars[at].setAttribute("height", tall);
        bars[at].setAttribute("class", at / BINS >= last || (at + 1) / BINS <= first ? "out" : "");
      });
      svg.setAttribute("aria-label", `Scores: ${bars.length} bars from 0 to 100 %, ${pictures(counts.reduce((a, b) => a + b, 0))}`);
      low.value = Math.round(100 * first);
      high.value = Math.round(100 * last);
    },
  };
})();

// Right and wrong, where the truth is known.
const verdicts = (() => {
  if (!rows.truth) return { refresh() {} };
  const choices = [[0, "All"], [RIGHT, "Right"], [WRONG, "Mistakes"]].map(([verdict, name]) => {
    const element = button(name, () => state.set("verdict", verdict));
    element.append(make("span", { class: "number" }));
    return { verdict, element };
  });
  find(".truth").append(make("div", { class: "group", role: "group", "aria-label": "Against the truth" }, ...choices.map(({ element }) => element)));
  return {
    refresh() {
      const counts = state.counts(3, TRUTH, (row) => rows.truth.verdict[row]);
      for (const { verdict, element } of choices) {
        element.setAttribute("aria-pressed", String(state.filters.verdict === verdict));
        element.lastChild.textContent = whole.format(verdict ? counts[verdict] : counts.reduce((a, b) => a + b, 0));
      }
    },
  };
})();

// What is odd about pictures, where the run has looked for it.
const flags = (() => {
  if (!rows.flags) return { refresh() {} };
  const buttons = rows.flags.names.map((name, at) => {
    const element = button(name, () => state.set("flags", state.filters.flags ^ (1 << at)));
    element.append(make("span", { class: "number" }));
    return element;
  });
  find(".flags").append(make("h3", {}, "Odd"), make("div", { class: "choices", role: "group", "aria-label": "What is odd" }, ...buttons));
  return {
    refresh() {
      buttons.forEach((element, at) => {
        const [rest, count] = state.counts(2, FLAG, (row) => (rows.flags.bits[row] >> at) & 1);
        element.setAttribute("aria-pressed", String(Boolean(state.filters.flags & (1 << at))));
        element.lastChild.textContent = whole.format(count);
        element.classList.toggle("zero", !count);
        element.title = `${pictures(count)} of ${whole.format(rest + count)}`;
      });
    },
  };
})();
