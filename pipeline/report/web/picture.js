// Where pictures come from: the page itself, this machine's disk, or the server that sent the page.
const picture = (() => {
  const found = read("thumbnails");
  const places = numbers(found.row);
  const jpegs = new Map(found.jpegs.map((jpeg, at) => [places[at], jpeg]));

  // Bytes that are no UTF-8 stand in a uri as \xNN, and the backslash of such a text as \x5c.
  function fileAddress(uri) {
    const parts = uri.split(/(\\x(?:5c|[89a-f][0-9a-f]))/);
    const encoded = parts.map((part, at) => (at % 2 ? `%${part.slice(2)}` : encodeURIComponent(part).replaceAll("%2F", "/")));
    return `file://${encoded.join("")}`;
  }

  function original(row) {
    if (settings.endpoint) return settings.endpoint.replace("{row}", row);
    const uri = rows.uri(row);
    return settings.paths && location.protocol === "file:" && uri.startsWith("/") ? fileAddress(uri) : "";
  }

  const small = (row) => (jpegs.has(row) ? `data:image/jpeg;base64,${jpegs.get(row)}` : "");

  // An image that takes the next address if one cannot be shown, and words if none can.
  function image(row, addresses, attributes) {
    const left = addresses.filter(Boolean);
    const words = () => make("span", { class: "none" }, found.missing[row] ?? rows.labelName(row));
    if (!left.length) return words();
    const element = make("img", { alt: "", draggable: "false", decoding: "async", src: left.shift(), ...attributes });
    element.addEventListener("error", () => {
      if (left.length) element.src = left.shift();
      else element.replaceWith(words());
    });
    return element;
  }

  return {
    original,
    // What is known not to be what was labelled is not shown either.
    small: (row) => image(row, [small(row), row in found.missing ? "" : original(row)], { loading: "lazy" }),
    large: (row) => image(row, [row in found.missing ? "" : original(row), small(row)], { alt: rows.names[row] }),
  };
})();
