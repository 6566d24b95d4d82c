// One picture large: what the network saw in it, and which others are most like it.
const zoom = (() => {
  const dialog = find("#zoom");
  let row = -1, from = null, then = null;

  const line = (name, ...value) => make("div", { class: "line" }, make("dt", {}, name), make("dd", {}, ...value));
  function guess([name, score]) {
    const fill = make("span", { class: "fill", "aria-hidden": "true" });
    fill.style.width = `${100 * score}%`;
    return make("li", {}, fill, make("span", { class: "word" }, name), make("span", { class: "number" }, percent(score)));
  }
  function neighbour([other, cosine]) {
    const said = `${rows.labelName(other)}, ${rows.names[other]}, cosine ${cosine.toFixed(2)}`;
    const element = button("", () => show(other), { title: said });
    element.append(make("span", { class: "frame" }, picture.small(other)), make("span", { class: "word" }, rows.labelName(other)), make("span", { class: "number" }, cosine.toFixed(2)));
    return make("li", {}, element);
  }
  function move(by) {
    const place = state.shown.indexOf(row), next = state.shown[place + by];
    if (next !== undefined) show(next);
  }
  const arrow = (by, text, name) => {
    const there = state.shown[state.shown.indexOf(row) + by];
    const known = state.shown.includes(row) && there !== undefined;
    return button(text, () => move(by), { class: by < 0 ? "back" : "next", "aria-label": name, "aria-disabled": String(!known) });
  };

  function facts() {
    const address = picture.original(row), name = rows.names[row];
    const verdict = rows.truth ? rows.truth.verdict[row] : 0;
    const lines = [
      line("Label", `${rows.labelName(row)} `, make("span", { class: "soft" }, percent(rows.score[row]))),
      ...(verdict ? [line("Truth", make("span", { class: verdict === WRONG ? "bad" : "good" }, verdict === WRONG ? `${rows.truthName(row)}, so a mistake` : "right"))] : []),
      ...(rows.flagNames(row).length ? [line("Odd", rows.flagNames(row).join(", "))] : []),
      line("Size", `${rows.width[row]} × ${rows.height[row]} ${rows.format(row)}`),
      ...(rows.folder(row) ? [line("Where", make("bdi", { class: "path" }, rows.folder(row)))] : []),
    ];
    const on = Boolean(state.picked[row]);
    const actions = [
      button(on ? "Selected" : "Select", () => { state.pick([row], !on); show(row, ".pick"); }, { class: "pick", "aria-pressed": String(on) }),
      button(`Only ${rows.labelName(row)}`, () => { const label = rows.label[row]; close(); state.set("labels", new Set([label])); }),
    ];
    if (rows.map) actions.push(button("On the map", () => { const shown = row; close(() => { views.show("map"); plane.go(shown); }); }));
    if (settings.most) actions.push(button("All like it", () => { const shown = row; close(); served.like(shown); }, { title: "Show the pictures that are most like this one" }));
    if (address) actions.push(make("a", { class: "button", href: address, target: "_blank", rel: "noopener" }, "Open the file"));
    const top = rows.top(row), near = rows.neighbours(row);
    return make(
      "div", { class: "facts" },
      make("h2", { id: "zoom-title" }, make("bdi", {}, name)),
      make("dl", {}, ...lines),
      ...(top.length ? [make("h3", {}, settings.own ? "The network's best classes" : "Best classes"), make("ol", { class: "guesses" }, ...top.map(guess))] : []),
      make("div", { class: "actions" }, ...actions),
      ...(near.length ? [make("h3", {}, "Most like it"), make("ul", { class: "near" }, ...near.map(neighbour))] : []),
    );
  }

  function show(next, focused = "") {
    row = next;
    const had = document.activeElement?.className;
    dialog.replaceChildren(
      make("div", { class: "large" }, picture.large(row), arrow(-1, "‹", "Previous picture"), arrow(1, "›", "Next picture")),
      facts(),
      button("×", () => close(), { class: "close", "aria-label": "Close" }),
    );
    (dialog.querySelector(focused || (had === "back" || had === "next" ? `.${had}` : ".close")))?.focus();
  }
  // What comes then has the focus; else it goes back to where it was.
  function close(next = null) {
    then = next;
    dialog.close();
  }

  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(by);
  });
  // A press beside the dialog closes it, as Escape does.
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
  dialog.addEventListener("close", () => {
    const there = from && from.isConnected && !from.closest(".tiles-scroll");
    sheet.goTo(row, !there && !then);
    if (then) then();
    else if (there) from.focus();
    then = null;
    dialog.replaceChildren();
  });

  return {
    open(which) {
      from = document.activeElement;
      show(which);
      dialog.showModal();
      dialog.querySelector(".close").focus();
    },
  };
})();
