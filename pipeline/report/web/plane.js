// The map: points drawn straight into the pixels of a canvas, which 100,000 of them need to be quick.
const plane = (() => {
  const root = find(".plane");
  if (!rows.map) {
    root.remove();
    return { draw() {}, go() {}, refresh() {} };
  }
  const { x: xs, y: ys } = rows.map;
  const canvas = make("canvas", {
    tabindex: "0", role: "application",
    "aria-label": "Map of the pictures. Arrow keys move, plus and minus zoom, 0 shows all, Enter filters by what is in view.",
  });
  const tip = make("div", { class: "tip", hidden: "" });
  const stage = root.querySelector(".stage");
  const context = canvas.getContext("2d");
  let view = { x: 0.5, y: 0.5, zoom: 1 }; // the middle, and how many times larger than all
  let mode = matchMedia("(pointer: coarse)").matches ? "move" : "lasso";
  let colouring = rows.truth ? "verdict" : "label";
  let colours, width = 0, height = 0, ratio = 1, lasso = [], pointed = -1, marked = -1, names = [], waiting = false;

  // --- colours

  const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  function readColours() {
    colours = {
      back: rgb(styled("--card")), rest: rgb(styled("--rest")), faint: rgb(styled("--faint")),
      accent: styled("--accent"), text: styled("--text"), card: styled("--card"),
      words: Array.from({ length: 10 }, (_, at) => rgb(styled(`--c${at}`))),
      low: rgb(styled("--low")), high: rgb(styled("--high")), right: rgb(styled("--right")), wrong: rgb(styled("--wrong")),
    };
  }
  const mixed = (a, b, share) => a.map((value, at) => Math.round(value + (b[at] - value) * share));
  // Folders by how many pictures they have, as labels are: [place of each, names of the first ten].
  const [folderRank, folderNames] = (() => {
    const counts = new Uint32Array(rows.folders.length), rank = new Uint32Array(rows.folders.length);
    if (counts.length > 1) for (let row = 0; row < rows.count; row++) counts[rows.folderOf(row)]++;
    const order = Array.from(counts.keys()).sort((a, b) => counts[b] - counts[a] || a - b);
    order.forEach((folder, at) => { rank[folder] = at; });
    return [rank, order.slice(0, 10).map((folder) => rows.folders[folder])];
  })();
  function palette() {
    if (colouring === "score") {
      const steps = Array.from({ length: 21 }, (_, at) => mixed(colours.low, colours.high, at / 20));
      return [steps, (row) => Math.round(20 * rows.score[row])];
    }
    if (colouring === "verdict") return [[colours.rest, colours.right, colours.wrong], (row) => rows.truth.verdict[row]];
    if (colouring === "odd") return [[colours.rest, colours.wrong], (row) => Number(rows.flags.bits[row] > 0)];
    const of = colouring === "folder" ? (row) => folderRank[rows.folderOf(row)] : (row) => rows.label[row];
    return [[...colours.words, colours.rest], (row) => Math.min(of(row), 10)];
  }

  // --- drawing

  const scale = () => 0.94 * Math.min(width, height) * view.zoom;
  const toX = (x) => (x - view.x) * scale() + width / 2;
  const toY = (y) => (y - view.y) * scale() + height / 2;
  const fromX = (left) => (left - width / 2) / scale() + view.x;
  const fromY = (top) => (top - height / 2) / scale() + view.y;
  const radius = () => Math.min(9, Math.max(1.1, Math.min(4.5, 66 / Math.sqrt(rows.count))) * Math.min(3, Math.sqrt(view.zoom)) + 0.4) * ratio;

  // How much of each pixel a disc covers: [dx, dy, share].
  function disc(size) {
    const reach = Math.ceil(size), covered = [];
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        const share = Math.min(1, Math.max(0, size + 0.5 - Math.hypot(dx, dy)));
        if (share > 0) covered.push([dx, dy, share]);
      }
    }
    return covered;
  }

  function paint() {
    waiting = false;
    if (!width) return;
    const image = context.createImageData(canvas.width, canvas.height);
    const pixels = image.data, wide = canvas.width, high = canvas.height;
    const [r, g, b] = colours.back;
    new Uint32Array(pixels.buffer).fill(((255 << 24) | (b << 16) | (g << 8) | r) >>> 0);
    const covered = disc(radius()), reach = Math.ceil(radius());
    const steps = Int32Array.from(covered, ([dx, dy]) => 4 * (dy * wide + dx));
    const factor = scale() * ratio, left = (width / 2) * ratio - view.x * factor, top = (height / 2) * ratio - view.y * factor;
    const [table, colour] = palette();
    const hidden = state.shown.length < rows.count;
    const stamp = (row, rgb, strength) => {
      const x = Math.round(xs[row] * factor + left), y = Math.round(ys[row] * factor + top);
      if (x < -reach || y < -reach || x >= wide + reach || y >= high + reach) return;
      const red = rgb[0], green = rgb[1], blue = rgb[2], middle = 4 * (y * wide + x);
      const whole = x >= reach && y >= reach && x < wide - reach && y < high - reach;
      for (let at = 0; at < steps.length; at++) {
        if (!whole) {
          const px = x + covered[at][0], py = y + covered[at][1];
          if (px < 0 || py < 0 || px >= wide || py >= high) continue;
        }
        const share = covered[at][2] * strength, place = middle + steps[at];
        pixels[place] += (red - pixels[place]) * share;
        pixels[place + 1] += (green - pixels[place + 1]) * share;
        pixels[place + 2] += (blue - pixels[place + 2]) * share;
      }
    };
    if (hidden) for (let row = 0; row < rows.count; row++) if (state.failing[row]) stamp(row, colours.faint, 0.7);
    const strength = rows.count > 20000 ? 0.7 : 0.85;
    for (let at = state.shown.length - 1; at >= 0; at--) {
      const row = state.shown[at];
      stamp(row, table[colour(row)], strength);
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.putImageData(image, 0, 0);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (colouring === "label") write();
    outline();
  }

  function outline() {
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    const ring = (row, size) => {
      context.beginPath();
      context.arc(toX(xs[row]), toY(ys[row]), size, 0, 7);
      context.stroke();
    };
    if (state.pickedCount && state.pickedCount <= 2000) for (const row of state.pickedRows()) ring(row, radius() / ratio + 2);
    for (const row of [pointed, marked]) if (row >= 0) ring(row, radius() / ratio + 4);
    const area = lasso.length ? lasso : state.filters.area;
    if (!area) return;
    context.beginPath();
    area.forEach(([x, y], at) => context[at ? "lineTo" : "moveTo"](toX(x), toY(y)));
    context.closePath();
    context.setLineDash([6, 4]);
    context.stroke();
    context.setLineDash([]);
  }

  // Names of labels where most of their points lie, the most frequent first, none over another.
  function write() {
    context.font = '600 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    const taken = [];
    for (const { label, x, y } of names) {
      const left = toX(x), top = toY(y);
      if (left < 0 || top < 0 || left > width || top > height) continue;
      const text = rows.labels[label][0], half = context.measureText(text).width / 2 + 6;
      const middle = Math.min(Math.max(left, half), width - half);
      if (taken.some((box) => Math.abs(box.middle - middle) < box.half + half && Math.abs(box.top - top) < 22)) continue;
      taken.push({ middle, top, half });
      context.strokeStyle = colours.card;
      context.lineWidth = 4;
      context.strokeText(text, middle, top);
      context.fillStyle = colours.text;
      context.fillText(text, middle, top);
      if (taken.length > 24) break;
    }
  }

  const CELLS = 32;
  function place() {
    const cells = new Map();
    for (const row of state.shown) {
      const key = (rows.label[row] * CELLS + Math.min(CELLS - 1, Math.floor(ys[row] * CELLS))) * CELLS + Math.min(CELLS - 1, Math.floor(xs[row] * CELLS));
      const cell = cells.get(key);
      if (cell) { cell.count++; cell.x += xs[row]; cell.y += ys[row]; }
      else cells.set(key, { label: rows.label[row], count: 1, x: xs[row], y: ys[row] });
    }
    const best = new Map();
    for (const cell of cells.values()) {
      if (cell.count > (best.get(cell.label)?.count ?? 0)) best.set(cell.label, cell);
    }
    // One picture says nothing of where a label lies.
    names = [...best.values()].filter(({ count }) => count > 1).sort((a, b) => b.count - a.count).slice(0, 200)
      .map(({ label, count, x, y }) => ({ label, x: x / count, y: y / count }));
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(paint);
  }

  function fit() {
    ratio = devicePixelRatio || 1;
    width = stage.clientWidth;
    height = stage.clientHeight;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    draw();
  }

  // --- moving

  function move(dx, dy) {
    view.x = Math.min(1.2, Math.max(-0.2, view.x - dx / scale()));
    view.y = Math.min(1.2, Math.max(-0.2, view.y - dy / scale()));
    draw();
  }
  function zoomBy(factor, left = width / 2, top = height / 2) {
    const x = fromX(left), y = fromY(top);
    view.zoom = Math.min(400, Math.max(0.5, view.zoom * factor));
    view.x += x - fromX(left);
    view.y += y - fromY(top);
    draw();
  }
  function showAll() { view = { x: 0.5, y: 0.5, zoom: 1 }; draw(); }
  function inView() {
    const [left, right, top, bottom] = [fromX(0), fromX(width), fromY(0), fromY(height)];
    state.set("area", [[left, top], [right, top], [right, bottom], [left, bottom]]);
  }

  function nearestTo(left, top) {
    const reach = Math.max(10, radius() / ratio + 4), factor = scale(), x0 = toX(0), y0 = toY(0);
    let best = -1, least = reach * reach;
    for (const row of state.shown) {
      const dx = xs[row] * factor + x0 - left, dy = ys[row] * factor + y0 - top, far = dx * dx + dy * dy;
      if (far < least) { least = far; best = row; }
    }
    return best;
  }

  function point(row, left, top) {
    if (row !== pointed) {
      pointed = row;
      tip.hidden = row < 0;
      canvas.style.cursor = row < 0 ? "" : "pointer";
      if (row >= 0) {
        tip.replaceChildren(
          make("div", { class: "frame" }, picture.small(row)),
          make("b", {}, rows.labelName(row)), make("span", {}, percent(rows.score[row])), make("bdi", {}, rows.names[row]),
        );
      }
      draw();
    }
    if (row < 0) return;
    tip.style.left = `${Math.min(left + 14, width - 150)}px`;
    tip.style.top = `${top + 190 > height ? Math.max(0, top - 184) : top + 14}px`;
  }

  const pointers = new Map();
  let start = null, spread = 0;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    start = at(event);
    spread = 0;
    lasso = [];
  });
  canvas.addEventListener("pointermove", (event) => {
    const [left, top] = at(event);
    if (!pointers.has(event.pointerId)) {
      if (event.pointerType === "mouse") point(nearestTo(left, top), left, top);
      return;
    }
    const [beforeLeft, beforeTop] = pointers.get(event.pointerId);
    pointers.set(event.pointerId, [left, top]);
    point(-1);
    if (pointers.size === 2) {
      const [[ax, ay], [bx, by]] = pointers.values(), now = Math.hypot(ax - bx, ay - by);
      if (spread) zoomBy(now / spread, (ax + bx) / 2, (ay + by) / 2);
      spread = now;
      start = null;
      lasso = [];
    } else if (mode === "move" || event.shiftKey) {
      move(left - beforeLeft, top - beforeTop);
    } else if (start) {
      if (!lasso.length) lasso.push([fromX(start[0]), fromY(start[1])]);
      lasso.push([fromX(left), fromY(top)]);
      draw();
    }
  });
  function lift(event) {
    const there = pointers.delete(event.pointerId);
    if (!there || pointers.size || !start) return;
    const [left, top] = at(event), drawn = lasso;
    lasso = [];
    if (Math.hypot(left - start[0], top - start[1]) < 4 && drawn.length < 8) {
      const row = nearestTo(left, top);
      if (row >= 0) zoom.open(row);
      else if (state.filters.area) state.set("area", null);
    } else if (drawn.length > 2) state.set("area", drawn);
    draw();
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", (event) => { pointers.delete(event.pointerId); lasso = []; draw(); });
  canvas.addEventListener("pointerleave", () => point(-1));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    point(-1);
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
  }, { passive: false });
  const keys = {
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
    "+": () => zoomBy(1.4), "=": () => zoomBy(1.4), "-": () => zoomBy(1 / 1.4), 0: showAll, Enter: inView,
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });

  // --- its buttons

  const modes = [["lasso", "Lasso"], ["move", "Move"]].map(([name, text]) => {
    const each = button(text, () => {
      mode = name;
      for (const other of modes) other.setAttribute("aria-pressed", String(other === each));
      canvas.classList.toggle("moves", mode === "move");
    }, { "aria-pressed": String(mode === name), title: name === "lasso" ? "Draw around points; shift and drag moves" : "Drag the map" });
    return each;
  });
  canvas.classList.toggle("moves", mode === "move");
  const colourings = [["label", "by label"], ["score", "by score"]];
  if (rows.truth) colourings.unshift(["verdict", "right or wrong"]);
  if (rows.folders.length > 1) colourings.push(["folder", "by folder"]);
  if (rows.flags) colourings.push(["odd", "what is odd"]);
  const legend = make("div", { class: "legend" });
  function explain() {
    const key = (name, text) => make("span", {}, make("i", { class: `swatch ${name}`, "aria-hidden": "true" }), text);
    const keysOf = {
      label: [], score: [make("span", {}, "0%", make("i", { class: "ramp", "aria-hidden": "true" }), "100%")],
      verdict: [key("right", "right"), key("wrong", "wrong"), ...(rows.truth?.verdict.includes(0) ? [key("rest", "not known")] : [])],
      odd: [key("wrong", "odd"), key("rest", "not odd")],
      folder: [
        ...folderNames.map((name, at) => key(`c${at}`, make("bdi", { class: "word" }, name.replace(/[/#]$/, "").split("/").at(-1) || name))),
        ...(rows.folders.length > 10 ? [key("rest", "others")] : []),
      ],
    };
    legend.replaceChildren(...keysOf[colouring]);
    document.documentElement.dataset.colouring = colouring;
  }
  root.querySelector(".head").append(
    choice("Colour of points", colourings, (value) => { colouring = value; explain(); draw(); }),
    make("div", { class: "group", role: "group", "aria-label": "What dragging does" }, ...modes),
    make("div", { class: "group", role: "group", "aria-label": "Zoom of the map" },
      button("−", () => zoomBy(1 / 1.4), { "aria-label": "Zoom out" }),
      button("+", () => zoomBy(1.4), { "aria-label": "Zoom in" }),
      button("All", showAll, { "aria-label": "All of the map" })),
    button("Only this view", inView, { title: "Filter by what is in view" }),
  );
  stage.append(canvas, legend, tip);
  readColours();
  explain();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });
  new ResizeObserver(fit).observe(stage);

  return {
    refresh() { place(); draw(); },
    // Shows where a picture is.
    go(row) {
      marked = row;
      view = { x: xs[row], y: ys[row], zoom: Math.max(view.zoom, 4) };
      draw();
      canvas.focus();
    },
  };
})();
