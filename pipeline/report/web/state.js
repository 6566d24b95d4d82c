// Which rows are shown: those that no filter turns away, in the order that was asked for.
// Each filter has a bit, so a view can count what all filters but its own let through.
const TEXT = 1, LABEL = 2, SCORE = 4, AREA = 8, TRUTH = 16, PICKED = 32, FLAG = 64, LIKE = 128;

const state = (() => {
  const failing = new Uint8Array(rows.count);
  const picked = new Uint8Array(rows.count);
  const none = () => ({ text: "", labels: new Set(), score: [0, 1], area: null, verdict: 0, picked: false, flags: 0, like: null });
  const filters = none();
  const listeners = [];
  const orders = new Map();
  const first = { key: "score", down: false };
  let sort = first;
  let shown = new Uint32Array(0), words = null, pickedCount = 0;

  const values = {
    score: (row) => rows.score[row],
    name: (row) => rows.names[row],
    label: (row) => rows.labelName(row),
    size: (row) => rows.width[row] * rows.height[row],
    row: (row) => row,
    like: (row) => filters.like?.near.get(row) ?? -1,
  };

  // All rows by a key, lowest first; sorted once.
  function ordered(key) {
    if (!orders.has(key)) {
      const keys = Array.from({ length: rows.count }, (_, row) => values[key](row));
      const compare = typeof keys[0] === "string"
        ? (a, b) => (keys[a] < keys[b] ? -1 : keys[a] > keys[b] ? 1 : a - b)
        : (a, b) => keys[a] - keys[b] || a - b;
      orders.set(key, Uint32Array.from(keys.keys()).sort(compare));
    }
    return orders.get(key);
  }

  function test(bit, passes) {
    for (let row = 0; row < rows.count; row++) {
      if (!passes || passes(row)) failing[row] &= ~bit;
      else failing[row] |= bit;
    }
  }

  // Names in small letters, made when somebody searches for the first time.
  function textTest(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    words ??= {
      labels: rows.labels.map(([label, synset]) => `${label} ${synset}`.toLowerCase()),
      names: Array.from({ length: rows.count }, (_, row) => rows.uri(row).toLowerCase()),
    };
    const labels = words.labels.map((label) => label.includes(wanted));
    return (row) => labels[rows.label[row]] || words.names[row].includes(wanted);
  }

  // Whether a point lies in a polygon of [x, y], by the edges that a ray from it crosses.
  function inside(polygon, x, y) {
    let within = false;
    for (let at = 0, before = polygon.length - 1; at < polygon.length; before = at++) {
      const [ax, ay] = polygon[at], [bx, by] = polygon[before];
      if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
    return within;
  }

  function areaTest(polygon) {
    if (!polygon) return null;
    const xs = polygon.map(([x]) => x), ys = polygon.map(([, y]) => y);
    const left = Math.min(...xs), right = Math.max(...xs), top = Math.min(...ys), bottom = Math.max(...ys);
    return (row) => {
      const x = rows.map.x[row], y = rows.map.y[row];
      return x >= left && x <= right && y >= top && y <= bottom && inside(polygon, x, y);
    };
  }

  // A score counts as people read it, so that 50 % means the same here and on a picture.
  const inPercent = (row) => Math.round(100 * rows.score[row]);
  const tests = {
    text: () => [TEXT, textTest(filters.text)],
    labels: () => [LABEL, filters.labels.size ? (row) => filters.labels.has(rows.label[row]) : null],
    score: () => {
      const [low, high] = filters.score.map((share) => Math.round(100 * share));
      return [SCORE, low > 0 || high < 100 ? (row) => inPercent(row) >= low && inPercent(row) <= high : null];
    },
    area: () => [AREA, areaTest(filters.area)],
    verdict: () => [TRUTH, filters.verdict ? (row) => rows.truth.verdict[row] === filters.verdict : null],
    // Bits of flags: a picture with any of them passes.
    flags: () => [FLAG, filters.flags ? (row) => rows.flags.bits[row] & filters.flags : null],
    picked: () => [PICKED, filters.picked ? (row) => picked[row] : null],
    like: () => [LIKE, filters.like ? (row) => filters.like.near.has(row) : null],
  };

  function arrange() {
    const order = ordered(sort.key), found = new Uint32Array(rows.count);
    let length = 0;
    for (let at = 0; at < order.length; at++) {
      const row = order[sort.down ? order.length - 1 - at : at];
      if (!failing[row]) found[length++] = row;
    }
    shown = found.subarray(0, length);
  }

  function announce() {
    arrange();
    for (const listener of listeners) listener();
  }

  return {
    filters, picked, failing,
    get shown() { return shown; },
    get sort() { return sort; },
    get pickedCount() { return pickedCount; },
    onChange: (listener) => listeners.push(listener),
    set(name, value) {
      filters[name] = value;
      test(...tests[name]());
      announce();
    },
    // Pictures that are like one, as { name, near: cosines by row }, the nearest first; null lets go.
    like(found) {
      orders.delete("like");
      if (found) sort = { key: "like", down: true };
      else if (sort.key === "like") sort = first;
      this.set("like", found);
    },
    reset() {
      if (sort.key === "like") sort = first;
      Object.assign(filters, none());
      failing.fill(0);
      announce();
    },
    sortBy(key, down) { sort = { key, down }; announce(); },
    toggleLabel(label) {
      const labels = new Set(filters.labels);
      if (!labels.delete(label)) labels.add(label);
      this.set("labels", labels);
    },
    pick(those, on) {
      for (const row of those) {
        pickedCount += Number(on) - picked[row];
        picked[row] = Number(on);
      }
      if (filters.picked && !pickedCount) filters.picked = false;
      test(...tests.picked());
      announce();
    },
    pickedRows: () => Array.from(picked.keys()).filter((row) => picked[row]),
    // Rows by a number of theirs, counting what all filters but one let through.
    counts(size, bit, number) {
      const found = new Uint32Array(size);
      for (let row = 0; row < rows.count; row++) if (!(failing[row] & ~bit)) found[number(row)]++;
      return found;
    },
    start: announce,
  };
})();
