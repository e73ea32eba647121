// What excites a unit: its facets, and what is left of each when something is taken away.

sections.push(facets);

function facets(unit) {
  const several = unit.facets.length > 1;
  if (unit.facets.length) return unit.facets.map((_, index) => facet(unit, index, several));
  return part("What excites it", note(unit.dead
    ? "Nothing: from no start did the score rise. A dead unit has no facets."
    : "No picture was exciting enough to count as something that it wants."));
}

function facet(unit, index, several) {
  const found = unit.facets[index];
  const said = unit.words.facets[index];
  const name = several ? `Facet ${index + 1} of ${unit.facets.length}` : "What excites it";
  const [, height, width] = report.input;
  const { field } = unit.evidence;
  const cropped = field && (field.height < height || field.width < width);
  const [best, ...others] = found.pictures.map((path, i) => element("figure", {},
    picture(path, `${name}: ${said}; picture ${i + 1}`, i ? 168 : 280),
    element("figcaption", {}, i ? "from another start"
      : cropped ? "the best, cropped to what the neuron sees" : "the best")));
  return part([name, ": ", symbol(found), said],
    paragraph(`Score ${number(found.score)}. ${percent(found.share)} of the starts led to it.`),
    element("div", { class: "row" }, best,
      cropped && found.full && whole(found.full, field, name), others),
    found.interventions?.items.length > 0 && [
      element("h4", {}, "What is left when something is taken away"),
      interventions(found.interventions),
      note("The bar is the share of the way from neutral gray (left mark, 0%) to the picture as "
        + "synthesized (right mark, 100%). Below 0% it excites less than gray, above 100% more "
        + "than the picture.")]);
}

/** The whole picture, with a frame around what the examined neuron sees of it. */
function whole(path, field, name) {
  const [, height, width] = report.input;
  const frame = `left:${(100 * field.left) / width}%;width:${(100 * field.width) / width}%;`
    + `top:${(100 * field.top) / height}%;height:${(100 * field.height) / height}%`;
  return element("figure", {}, element("span", { class: "framed" },
    picture(path, `${name}: the whole picture`, 280),
    element("span", { class: "frame", style: frame })),
  element("figcaption", {}, "the same, whole; framed: what the neuron sees"));
}

function interventions({ sprite, cell: size, items }) {
  return element("div", { class: "row" }, items.map((item, column) => {
    const label = `${item.name}: score ${number(item.score)}`;
    return scored(cell({ sprite, size, columns: items.length, column, label }), item.name, item);
  }));
}
