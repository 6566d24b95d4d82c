// Everything is built with textContent and attributes, so no name of a file or class is ever markup.
const whole = new Intl.NumberFormat("en");
const percent = (share) => (share > 0 && share < 0.005 ? "<1%" : `${Math.round(100 * share)}%`);
const pictures = (count) => `${whole.format(count)} ${count === 1 ? "picture" : "pictures"}`;
const find = (selector) => document.querySelector(selector);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function button(name, does, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, name);
  element.addEventListener("click", does);
  return element;
}

function choice(name, options, does) {
  const select = make("select", { "aria-label": name }, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => does(select.value));
  return select;
}

// What a screen reader says, and what everybody reads at the bottom for a while.
function tell(text) {
  const element = find(".told");
  element.textContent = text;
  element.classList.add("seen");
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => element.classList.remove("seen"), 2500);
}
