// Search, what filters now, and what becomes of the pictures that were selected.
const toolbar = (() => {
  const root = find(".toolbar");
  const search = make("input", { type: "search", placeholder: `Search names and ${settings.noun}`, "aria-label": `Search names and ${settings.noun}`, autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/" });
  search.addEventListener("input", () => state.set("text", search.value));
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") sheet.goTo(state.shown[0], true);
    if (event.key === "Escape" && search.value) { event.preventDefault(); search.value = ""; state.set("text", ""); }
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest?.("input, select, textarea, dialog");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    location.hash = "#pictures";
    views.part();
    search.focus();
    search.select();
  });

  // --- chips: one for each filter, which a press takes away

  const chips = make("div", { class: "chips", role: "group", "aria-label": "Filters" });
  const chip = (text, off) => button(text, () => { off(); search.focus({ preventScroll: true }); }, { class: "chip", "aria-label": `Remove the filter ${text}`, title: "Remove this filter" });
  function chipsNow() {
    const { text, labels: wanted, score, area, verdict, picked, flags: odd, like } = state.filters;
    const [low, high] = score.map((share) => Math.round(100 * share));
    const found = [];
    if (text.trim()) found.push(chip(`“${text.trim()}”`, () => { search.value = ""; state.set("text", ""); }));
    for (const label of wanted) found.push(chip(rows.labels[label][0], () => state.toggleLabel(label)));
    if (low > 0 || high < 100) found.push(chip(`${low} to ${high} %`, () => state.set("score", [0, 1])));
    if (area) found.push(chip("area of the map", () => state.set("area", null)));
    if (verdict) found.push(chip(verdict === WRONG ? "mistakes" : "right", () => state.set("verdict", 0)));
    rows.flags?.names.forEach((name, at) => {
      if (odd & (1 << at)) found.push(chip(name, () => state.set("flags", odd & ~(1 << at))));
    });
    if (like) found.push(chip(`like ${like.name}`, () => state.like(null)));
    if (picked) found.push(chip("selected", () => state.set("picked", false)));
    if (found.length) found.push(button("Clear all", () => { search.value = ""; state.reset(); search.focus({ preventScroll: true }); }, { class: "quiet" }));
    return found;
  }

  // --- the selection

  const count = make("output", { class: "count", "aria-live": "polite" });
  const selection = make("div", { class: "selection", role: "group", "aria-label": "Selection" });
  const those = () => (state.pickedCount ? state.pickedRows() : Array.from(state.shown));
  const cell = (text) => (/[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text);
  const address = (row) => (settings.paths ? rows.uri(row) : rows.names[row]);

  async function copy() {
    const text = those().map(address).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Where a browser gives a page from disk no clipboard.
      const area = make("textarea", { "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    tell(`Copied ${pictures(those().length)}`);
  }
  // With the heading that `quantlabel label --input` and `quantlabel report --uris` look for.
  function save() {
    const lines = [settings.paths ? "uri" : "file", ...those().map((row) => cell(address(row)))];
    const link = make("a", { download: "selected.csv", href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    tell(`Saved ${pictures(those().length)} as selected.csv`);
  }
  const what = settings.paths ? "addresses" : "names";
  const select = button("Select these", () => state.pick(state.shown, true), { title: "Select all that pass the filters" });
  const only = button("Show selected", () => state.set("picked", !state.filters.picked));
  const none = button("Deselect", () => state.pick(state.pickedRows(), false), { title: "Select nothing" });
  const copying = button("", copy), saving = button("", save);
  selection.append(select, only, none, copying, saving);

  root.append(search, count, chips, selection);
  return {
    root, those,
    refresh() {
      if (document.activeElement !== search) search.value = state.filters.text;
      chips.replaceChildren(...chipsNow());
      const of = rows.of > rows.count ? `, drawn from ${whole.format(rows.of)}` : "";
      count.textContent = `${state.shown.length === rows.count ? "" : `${whole.format(state.shown.length)} of `}${pictures(rows.count)}${of}`;
      const some = state.pickedCount > 0, number = whole.format(those().length);
      select.hidden = some && state.filters.picked;
      only.hidden = none.hidden = !some;
      only.textContent = `${whole.format(state.pickedCount)} selected`;
      only.setAttribute("aria-pressed", String(state.filters.picked));
      only.title = "Show only what is selected";
      copying.textContent = `Copy ${what}`;
      saving.textContent = "Save list";
      copying.title = `Copy the ${what} of ${number} ${some ? "selected" : "shown"} pictures`;
      saving.title = `Save ${number} ${some ? "selected" : "shown"} pictures as selected.csv, which quantlabel ${settings.paths ? "label --input" : "report --uris"} reads`;
      copying.disabled = saving.disabled = !those().length;
    },
  };
})();
