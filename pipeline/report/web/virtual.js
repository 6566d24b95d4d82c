// A list or grid of which only what is in view exists, so 100,000 items scroll like ten.
function virtual(scroller, { height, minWidth, item }) {
  const space = make("div", { class: "space", role: "presentation" });
  scroller.append(space);
  const there = new Map();
  let count = 0, across = 1;

  function draw() {
    across = minWidth ? Math.max(1, Math.floor(scroller.clientWidth / minWidth())) : 1;
    const tall = height();
    space.style.height = `${Math.ceil(count / across) * tall}px`;
    const first = Math.max(0, Math.floor(scroller.scrollTop / tall) - 1) * across;
    const last = Math.min(count, (Math.ceil((scroller.scrollTop + scroller.clientHeight) / tall) + 1) * across);
    for (const [place, element] of there) {
      if (place < first || place >= last) { element.remove(); there.delete(place); }
    }
    let following = null;
    for (let place = last - 1; place >= first; place--) {
      if (!there.has(place)) {
        const made = item(place);
        there.set(place, made);
        space.insertBefore(made, following);
      }
      following = there.get(place);
      following.style.width = `${100 / across}%`;
      following.style.height = `${tall}px`;
      following.style.left = `${(100 / across) * (place % across)}%`;
      following.style.top = `${Math.floor(place / across) * tall}px`;
    }
  }

  function clear() {
    for (const element of there.values()) element.remove();
    there.clear();
  }

  scroller.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(scroller);
  return {
    get across() { return across; },
    get onPage() { return Math.max(1, Math.floor(scroller.clientHeight / height())) * across; },
    draw,
    at: (place) => there.get(place),
    show(length, { top = true } = {}) {
      count = length;
      clear();
      if (top) scroller.scrollTop = 0;
      draw();
    },
    reveal(place) {
      const tall = height(), start = Math.floor(place / across) * tall;
      if (start < scroller.scrollTop) scroller.scrollTop = start;
      else if (start + tall > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = start + tall - scroller.clientHeight;
      draw();
      return there.get(place);
    },
  };
}
