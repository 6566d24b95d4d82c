// The sheet of pictures: a grid that one walks with the arrow keys.
const sheet = (() => {
  const root = find(".tiles-scroll"), head = find(".sheet .head");
  root.setAttribute("role", "listbox");
  root.setAttribute("aria-multiselectable", "true");
  root.setAttribute("aria-label", "Pictures. Enter enlarges, space selects.");
  root.tabIndex = -1;
  const empty = make("p", { class: "empty", hidden: "" }, "Nothing passes all filters.");
  root.before(empty);
  const narrow = matchMedia("(max-width: 480px)");
  const side = () => (narrow.matches ? 104 : 148);
  let current = 0, last = 0;

  function tile(place) {
    const row = state.shown[place], verdict = rows.truth ? rows.truth.verdict[row] : 0;
    const element = make(
      "div",
      { role: "option", class: "tile", "aria-selected": String(Boolean(state.picked[row])),
        "aria-posinset": place + 1, "aria-setsize": state.shown.length, tabindex: place === current ? "0" : "-1" },
      make("div", { class: "frame" }, picture.small(row)),
      make("div", { class: "caption" }, make("i", { class: `swatch c${Math.min(rows.label[row], 10)}` }), make("span", { class: "word" }, rows.labelName(row)), make("span", { class: "number" }, percent(rows.score[row]))),
      make("div", { class: "name" }, verdict === WRONG ? `is ${rows.truthName(row)}` : make("bdi", {}, rows.names[row])),
      make("span", { class: "tick", title: "Select" }),
    );
    element.title = rows.uri(row);
    if (verdict) element.classList.add(verdict === WRONG ? "wrong" : "right");
    return element;
  }

  const grid = virtual(root, { height: () => side() + 52, minWidth: side, item: tile });

  function step(place, { focus = true } = {}) {
    grid.at(current)?.setAttribute("tabindex", "-1");
    current = Math.max(0, Math.min(state.shown.length - 1, place));
    const element = grid.reveal(current);
    element?.setAttribute("tabindex", "0");
    if (focus) element?.focus({ preventScroll: true });
  }
  function pick(place, through) {
    const row = state.shown[place], on = through ? true : !state.picked[row];
    const [from, to] = through ? [Math.min(last, place), Math.max(last, place)] : [place, place];
    last = place;
    state.pick(state.shown.slice(from, to + 1), on);
  }

  root.addEventListener("click", (event) => {
    const element = event.target.closest(".tile");
    if (!element) return;
    const place = Number(element.getAttribute("aria-posinset")) - 1;
    step(place);
    if (event.target.closest(".tick") || event.ctrlKey || event.metaKey || event.shiftKey) pick(place, event.shiftKey);
    else zoom.open(state.shown[place]);
  });
  root.addEventListener("keydown", (event) => {
    const moves = {
      ArrowLeft: current - 1, ArrowRight: current + 1, ArrowUp: current - grid.across, ArrowDown: current + grid.across,
      Home: 0, End: state.shown.length - 1, PageUp: current - grid.onPage, PageDown: current + grid.onPage,
    };
    if (event.ctrlKey || event.metaKey || event.altKey || !state.shown.length) return;
    if (event.key in moves) step(moves[event.key]);
    else if (event.key === "Enter") zoom.open(state.shown[current]);
    else if (event.key === " ") pick(current, event.shiftKey);
    else return;
    event.preventDefault();
  });

  const orders = [["score", "by score"], ["name", "by name"], ["label", "by label"], ["size", "by size"], ["row", "as labelled"]];
  if (settings.endpoint) orders.push(["like", "by likeness"]);
  const key = choice("Order of pictures", orders, (value) => state.sortBy(value, state.sort.down));
  const down = button("↑", () => state.sortBy(state.sort.key, !state.sort.down));
  head.append(make("div", { class: "group", role: "group", "aria-label": "Order" }, key, down));

  return {
    refresh(same) {
      key.querySelector("[value=like]")?.toggleAttribute("disabled", !state.filters.like);
      key.value = state.sort.key;
      down.textContent = state.sort.down ? "↓" : "↑";
      down.setAttribute("aria-label", state.sort.down ? "Highest first; turn round" : "Lowest first; turn round");
      down.title = down.getAttribute("aria-label");
      const focused = root.contains(document.activeElement);
      if (!same) current = last = 0;
      current = Math.max(0, Math.min(current, state.shown.length - 1));
      root.hidden = !state.shown.length;
      empty.hidden = Boolean(state.shown.length);
      grid.show(state.shown.length, { top: !same });
      if (focused) step(current);
    },
    // Where the reader is, after looking at a picture large.
    goTo(row, focus) {
      const place = state.shown.indexOf(row);
      if (place >= 0) step(place, { focus });
    },
  };
})();
