// Groups of the same picture, among the facts.
const groups = find("#duplicates .groups");
if (groups) {
  groups.append(...rows.groups.map(({ count, rows: members }) => {
    const cards = members.map((row) => {
      const element = button("", () => zoom.open(row), { title: "Enlarge" });
      element.append(make("span", { class: "frame" }, picture.small(row)), make("bdi", { class: "name" }, rows.names[row]));
      return make("li", {}, element);
    });
    const rest = members.length < count ? make("span", { class: "soft" }, `${members.length} of them shown`) : "";
    const article = make("article", { class: "block" }, make("div", { class: "head" }, make("h3", {}, pictures(count)), rest), make("ul", { class: "cards" }, ...cards));
    article.style.setProperty("--pictures", members.length);
    return article;
  }));
}
