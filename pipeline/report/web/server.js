// What only a page from `quantlabel view` can do: search by a picture, and keep selections.
const served = (() => {
  async function ask(path, { body, type } = {}) {
    const how = body === undefined ? {} : { method: "POST", body, headers: { "Content-Type": type } };
    const answer = await fetch(path, how).catch(() => null);
    if (!answer) throw new Error("quantlabel view does not answer any more");
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
    return said;
  }
  const told = (does) => async () => {
    try {
      await does();
    } catch (error) {
      tell(error.message);
    }
  };

  // --- search by a picture

  async function search(file) {
    if (file.size > settings.most) throw new Error(`${file.name} is too large`);
    tell(`Searching for pictures like ${file.name}`);
    const { near } = await ask("search", { body: file, type: "application/octet-stream" });
    state.like({ name: file.name, near: new Map(near) });
    tell(`The ${near.length} most like ${file.name}`);
  }
  function like(row) {
    return told(async () => {
      const { near } = await ask(`like/${row}`);
      state.like({ name: rows.names[row], near: new Map(near) });
      tell(`The ${near.length} most like ${rows.names[row]}`);
    })();
  }
  const chosen = make("input", { type: "file", class: "by-picture", hidden: "", "aria-label": "Picture to search by" });
  chosen.addEventListener("change", told(async () => {
    const [file] = chosen.files;
    if (file) await search(file);
    chosen.value = ""; // so that the same one can be chosen again
  }));
  const searching = button("Search by a picture", () => chosen.click(), { title: "Show the pictures that are most like one of yours" });
  searching.hidden = !settings.most;

  // --- selections that stay

  const name = make("input", { type: "text", maxlength: "64", placeholder: "Name of a selection", "aria-label": "Name of a selection", autocomplete: "off", spellcheck: "false" });
  const kept = choice("Kept selections", [], told(async () => {
    const wanted = kept.value;
    kept.value = "";
    const found = await ask(`selections/${wanted}`);
    state.pick(state.pickedRows(), false);
    state.pick(found.rows, true);
    tell(`Selected ${pictures(found.rows.length)} of ${wanted}`);
  }));
  async function list() {
    const { names } = await ask("selections");
    kept.replaceChildren(...["", ...names].map((each) => make("option", { value: each }, each || "Kept selections")));
    kept.hidden = !names.length;
  }
  const keep = told(async () => {
    const wanted = name.value.trim();
    if (!wanted) { name.focus(); throw new Error("Give the selection a name"); }
    const saved = await ask(`selections/${encodeURIComponent(wanted)}`, { body: JSON.stringify(toolbar.those()), type: "application/json" });
    name.value = "";
    await list();
    tell(`Kept ${pictures(saved.rows)} in ${saved.path}`);
  });
  name.addEventListener("keydown", (event) => { if (event.key === "Enter") keep(); });
  const keeping = button("Keep", keep, { title: "Keep what is selected, or else what is shown, in the folder of the run" });

  toolbar.root.append(make("div", { class: "selection served", role: "group", "aria-label": "On this machine" }, searching, chosen, name, keeping, kept));
  told(list)();
  return { like };
})();
