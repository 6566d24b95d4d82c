// Which part of the page is seen, and who hears of a change.
const views = (() => {
  const panes = find(".panes"), root = document.documentElement;
  const names = [["sheet", "Sheet"], ["map", "Map"], ["labels", find("#labels-title").textContent]].filter(([name]) => find(`[data-view=${name}]`));
  const buttons = names.map(([name, text]) => button(text, () => show(name), { "data-name": name }));
  find(".switch").append(...buttons);
  // On a narrow page one view is seen at a time.
  function show(name) {
    panes.dataset.seen = name;
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.name === name));
  }
  // #pictures, or a section of the facts.
  function part() {
    const target = location.hash.slice(1), facts = target === "facts" || Boolean(target && find("#facts")?.querySelector(`[id="${CSS.escape(target)}"]`));
    root.dataset.part = facts ? "facts" : "pictures";
    for (const link of document.querySelectorAll(".tabs a")) {
      if (link.hash === (facts ? "#facts" : "#pictures")) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (facts && target !== "facts") document.getElementById(target).scrollIntoView();
    else scrollTo(0, 0);
  }
  addEventListener("hashchange", part);
  root.classList.add("live");
  if (!rows.map) {
    root.classList.add("flat");
    if (settings.hint) find(".side").append(make("p", { class: "hint soft" }, settings.hint));
  }
  show("sheet");
  part();
  return { show, part };
})();

let seen = "";
state.onChange(() => {
  // A selection alone changes neither rows nor order: the reader stays where they are.
  const now = JSON.stringify([state.filters.text, [...state.filters.labels], state.filters.score, state.filters.area, state.filters.verdict, state.filters.picked, state.filters.flags, state.filters.like && [...state.filters.like.near], state.sort, state.shown.length]);
  const same = now === seen;
  seen = now;
  toolbar.refresh();
  sheet.refresh(same);
  plane.refresh();
  if (same) return;
  labels.refresh();
  scores.refresh();
  verdicts.refresh();
  flags.refresh();
});
state.start();
