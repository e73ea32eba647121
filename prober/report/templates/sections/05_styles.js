// The unit's picture in both styles: as people can read it, and what excites it most.

sections.push(styles);

const STYLES = { legible: "legible: as people can read it", plain: "plain: what excites it most" };

function styles(unit) {
  const found = unit.evidence.styles;
  if (!found.length) return null;
  return part("What it wants to see",
    element("div", { class: "row" }, found.map(({ style, score, picture: path }) =>
      element("figure", {}, picture(path, `${STYLES[style]}: score ${number(score)}`, 280),
        element("figcaption", {}, `${STYLES[style]}, score ${number(score)}`)))),
    note("Both maximize the same score. The legible one is made from a spectrum and has to stand "
      + "being moved a little; the plain one from single pixels. The evidence below is of the "
      + "neuron's own best images, whatever their style."));
}
