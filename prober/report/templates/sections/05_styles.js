// The unit's picture in both styles: as people can read it, and what excites it most.

sections.push(styles);

const STYLES = { legible: "legible: as people can read it", plain: "plain: what excites it most" };

const SPECTRUM = "The legible one is made from a spectrum and has to stand being moved a little; the "
  + "plain one from single ";
/** How the styles differ, by how many sides the input has. */
const DIFFER = ["The plain one has penalties, too.", `${SPECTRUM}values.`, `${SPECTRUM}pixels.`,
  `${SPECTRUM}values.`];
const VOLUME = report.input.length === 4;
const STYLED = report.facets ? 280 : 336; // pixels of width; a plot has as many

/** A switch that fades what matters little to the score, of all pictures that can show it. */
function fading(found) {
  if (!found.some(({ matters }) => matters)) return null;
  const box = element("input", { type: "checkbox", id: "matters" });
  box.addEventListener("change", () => {
    for (const image of document.querySelectorAll("img[data-matters]")) {
      image.src = address(box.checked ? image.dataset.matters : image.dataset.whole);
    }
  });
  return element("label", { class: "note" }, box, " fade what matters little to the score");
}

function styled(said, path, matters) {
  const made = picture(path, said, STYLED);
  if (matters) Object.assign(made.dataset, { whole: path, matters });
  return made;
}

function styles(unit) {
  const found = unit.evidence.styles;
  if (!found.length || unit.dead) return null; // it wants nothing: what was tried is below
  // Both maximize what the unit's first visualization does, which is always among those shown.
  const maximized = unit.evidence.pictures.items.find(({ look }) => look === found[0].variant);
  return part(layers.get(unit.layer).flat ? "What it wants to see"
    : "What it wants to see, all over the image",
    fading(found),
    element("div", { class: "row" }, found.map(({ style, score, picture: path, ...told }) => [
      element("figure", {}, styled(`${STYLES[style]}: score ${number(score)}`, path, told.matters),
        element("figcaption", {}, `${STYLES[style]}; ${scoreOf(unit, score, maximized)}`,
          told.penalties_won && penalties())),
      VOLUME && element("figure", {}, picture(path.replace(/png$/, "gif"),
        `${style}: through its depth`, 200),
        element("figcaption", {}, "the same, slice by slice through its depth"))])),
    found.length > 1 && note(`Both maximize the same score. ${DIFFER[report.input.length - 1]}`
      + (report.facets ? ` The evidence below is of the ${layers.get(unit.layer).flat ? "unit"
        : "neuron"}'s own best images, whatever their style.` : "")));
}
