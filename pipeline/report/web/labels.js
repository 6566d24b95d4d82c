// Bars of labels: how many pictures of each are left, and a press shows only those.
const labels = (() => {
  const head = find(".side .head");
  const all = Float64Array.from(rows.labels, () => 0), sums = Float64Array.from(rows.labels, () => 0);
  for (let row = 0; row < rows.count; row++) { all[rows.label[row]]++; sums[rows.label[row]] += rows.score[row]; }
  const mean = (label) => (all[label] ? sums[label] / all[label] : 0);
  const by = {
    count: (a, b) => counts[b] - counts[a] || a - b,
    name: (a, b) => rows.labels[a][0].localeCompare(rows.labels[b][0]) || a - b,
    sure: (a, b) => mean(b) - mean(a) || a - b,
    unsure: (a, b) => mean(a) - mean(b) || a - b,
  };
  let counts = all, order = [], key = "count", most = 1;

  function bar(place) {
    const label = order[place], [name, synset] = rows.labels[label];
    const fill = make("span", { class: "fill", "aria-hidden": "true" });
    fill.style.width = `${(100 * counts[label]) / most}%`;
    const swatch = make("i", { class: `swatch c${Math.min(label, 10)}`, "aria-hidden": "true" });
    const shownMean = key === "sure" || key === "unsure";
    const element = button("", () => {
      state.toggleLabel(label);
      focus(label);
    }, {
      class: "bar", "aria-pressed": String(state.filters.labels.has(label)),
      title: `${name}${synset ? `, ${synset}` : ""}: ${pictures(all[label])}, mean score ${percent(mean(label))}`,
    });
    element.append(fill, swatch, make("span", { class: "word" }, name), make("span", { class: "number" }, shownMean ? percent(mean(label)) : whole.format(counts[label])));
    element.classList.toggle("zero", !counts[label]);
    return make("div", { role: "listitem" }, element);
  }
  const root = find(".bars");
  root.setAttribute("role", "list");
  root.setAttribute("aria-label", settings.noun);
  root.tabIndex = -1;
  const list = virtual(root, { height: () => (matchMedia("(pointer: coarse)").matches ? 40 : 28), item: bar });
  function focus(label) {
    list.reveal(order.indexOf(label))?.firstChild.focus({ preventScroll: true });
  }
  head.append(choice(`Order of ${settings.noun}`, [["count", "most first"], ["name", "by name"], ["sure", "surest first"], ["unsure", "least sure first"]], (value) => { key = value; refresh(true); }));

  function refresh(top = false) {
    counts = state.counts(rows.labels.length, LABEL, (row) => rows.label[row]);
    // What nothing is left of stays where it can be let go again.
    order = Array.from(rows.labels.keys()).filter((label) => counts[label] || state.filters.labels.has(label)).sort(by[key]);
    most = Math.max(1, ...order.map((label) => counts[label]));
    list.show(order.length, { top });
  }
  return { refresh, count: (label) => counts[label] };
})();
