"use strict";
// Everything is built with textContent and attributes, so no name of a file or class is ever markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const whole = new Intl.NumberFormat("en");
  const percent = (share) => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function frame(picture, name) {
    if (!picture.thumb) return make("div", { class: "frame" }, make("span", {}, picture.missing));
    const image = make("img", { src: `data:image/jpeg;base64,${picture.thumb}`, alt: name });
    if (!picture.link) return make("div", { class: "frame" }, image);
    const title = `open ${name}`;
    return make("a", { class: "frame", href: picture.link, target: "_blank", rel: "noopener", title }, image);
  }

  function guess([label, score]) {
    const bar = make("i", { "aria-hidden": "true" });
    bar.style.width = `${100 * score}%`;
    return make("li", {}, bar, make("span", {}, label), make("span", {}, percent(score)));
  }

  function card(index) {
    const picture = data.pictures[index];
    const name = picture.uri.slice(picture.uri.lastIndexOf("/") + 1) || picture.uri;
    const size = `${picture.width} × ${picture.height} ${picture.format}`;
    return make(
      "li", {},
      frame(picture, name),
      make(
        "div", { class: "facts" },
        ...(picture.own ? [make("p", { class: "own" }, make("span", {}, picture.own[0]), make("span", {}, percent(picture.own[1])))] : []),
        make("ol", { "aria-label": "best classes" }, ...picture.top.map(guess)),
        make("bdi", { class: "name", title: picture.uri }, name),
        make("span", { class: "soft" }, size),
      ),
    );
  }

  const gallery = (indexes) => make("ul", { class: "gallery" }, ...indexes.map(card));
  const blocks = (items, show) => make("div", { class: "blocks" }, ...items.map(show));
  // As wide as its pictures, so that small blocks share a line.
  function block(item, head) {
    const article = make("article", { class: "block" }, head, gallery(item.pictures));
    article.style.setProperty("--pictures", item.pictures.length);
    return article;
  }
  const pictures = (count) => `${whole.format(count)} ${count === 1 ? "picture" : "pictures"}`;

  // One page of `items` at a time: the page never holds more elements than that.
  function paged(root, { items, size, sizes, what, show, matches, sort }) {
    let first = 0, found = items, order = sort;
    const body = root.querySelector(".body");
    const back = make("button", { type: "button" }, "Previous");
    const next = make("button", { type: "button" }, "Next");
    const state = make("output", { "aria-live": "polite" });
    const tools = root.querySelector(".tools");

    function draw() {
      const last = Math.min(first + size, found.length);
      body.replaceChildren(found.length ? show(found.slice(first, last), order) : make("p", { class: "empty" }, "Nothing matches."));
      state.textContent = found.length ? `${whole.format(first + 1)} to ${whole.format(last)} of ${whole.format(found.length)}` : "0";
      back.setAttribute("aria-disabled", String(first === 0));
      next.setAttribute("aria-disabled", String(last >= found.length));
    }
    function arrange() {
      if (order) found = [...found].sort(order.compare);
      first = 0;
      draw();
    }
    back.addEventListener("click", () => { if (first > 0) { first = Math.max(0, first - size); draw(); } });
    next.addEventListener("click", () => { if (first + size < found.length) { first += size; draw(); } });
    if (matches) {
      const input = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
      input.addEventListener("input", () => {
        const wanted = input.value.trim().toLowerCase();
        found = wanted ? items.filter((item) => matches(item, wanted)) : items;
        arrange();
      });
      tools.append(make("label", {}, "Find", input));
    }
    if (sizes) {
      const select = make("select", {}, ...sizes.map((each) => make("option", { value: each }, String(each))));
      select.value = String(size);
      select.addEventListener("change", () => { size = Number(select.value); arrange(); });
      tools.append(make("label", {}, "On a page", select));
    }
    const pager = make("div", { class: "pager", role: "group", "aria-label": `pages of ${what}` }, back, state, next);
    tools.append(pager);
    arrange();
    return { reorder(by) { order = by; arrange(); } };
  }

  function section(name, options) {
    const root = document.getElementById(name);
    return root && root.querySelector(".body") ? paged(root, options) : null;
  }

  const classMatches = (item, wanted) => item.label.toLowerCase().includes(wanted) || item.synset.includes(wanted);

  section("sheet", {
    items: data.classes.filter((item) => item.pictures.length),
    size: 8, sizes: [4, 8, 16, 32], what: "classes", matches: classMatches,
    show: (classes) => blocks(classes, (item) => block(
      item,
      make(
        "div", { class: "head" },
        make("h3", {}, item.label),
        make("span", { class: "soft" }, `${item.synset ? item.synset + ", " : ""}${pictures(item.count)}${item.mean === null ? "" : `, mean score ${percent(item.mean)}`}`),
      ),
    )),
  });
  section("uncertain", { items: data.uncertain, size: 24, sizes: [12, 24, 48, 96], what: "pictures", show: gallery });
  section("duplicates", {
    items: data.groups, size: 6, sizes: [6, 12, 24], what: "groups",
    show: (groups) => blocks(groups, (group) => block(
      group,
      make(
        "div", { class: "head" },
        make("h3", {}, pictures(group.count)),
        make("span", { class: "soft" }, group.pictures.length < group.count ? `${group.pictures.length} of them shown` : ""),
      ),
    )),
  });

  // The table of all classes, sorted by a click on a heading.
  const byCount = (one, other) => other.count - one.count || one.id - other.id;
  const headings = [
    { name: data.own ? "Label" : "Class", compare: (one, other) => one.label.localeCompare(other.label) || one.id - other.id },
    ...(data.own ? [] : [{ name: "Synset" }]),
    { name: "Pictures", number: true, compare: byCount },
    { name: "Mean score", number: true, compare: (one, other) => other.mean - one.mean || byCount(one, other) },
  ];
  function heading(item, order) {
    const cell = make("th", { scope: "col", class: item.number ? "number" : "" });
    if (!item.compare) { cell.append(item.name); return cell; }
    const sorted = order === item;
    const button = make("button", { type: "button" }, sorted ? `${item.name} ▾` : item.name);
    button.addEventListener("click", () => {
      table.reorder(item);
      const again = [...document.querySelectorAll("#classes th button")].find((each) => each.textContent.startsWith(item.name));
      if (again) again.focus();
    });
    if (sorted) cell.setAttribute("aria-sort", item.number ? "descending" : "ascending");
    cell.append(button);
    return cell;
  }
  const table = section("classes", {
    items: data.classes, size: 10, sizes: [10, 50, 200], what: "classes", matches: classMatches, sort: headings.find((item) => item.compare === byCount),
    show: (classes, order) => make("div", { class: "scroll" }, make(
      "table", {},
      make("thead", {}, make("tr", {}, ...headings.map((item) => heading(item, order)))),
      make("tbody", {}, ...classes.map((item) => make(
        "tr", {},
        make("td", {}, item.label),
        ...(data.own ? [] : [make("td", {}, make("code", {}, item.synset))]),
        make("td", { class: "number" }, whole.format(item.count)),
        make("td", { class: "number" }, percent(item.mean)),
      ))),
    )),
  });
})();
