// What excites a unit: its facets.

sections.push(facets);

function facets(unit) {
  if (!report.facets || isCut(unit)) return null;
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
    paragraph(`The best picture has ${scoreOf(unit, null, found.score)}; climbing on from it reaches `
      + `${percent(found.strength)} of the gain. `
      + `${percent(found.share)} of the starts led to it.`),
    element("div", { class: "row" }, best,
      cropped && found.full && whole(found.full, field, name), others));
}

/** The whole picture; where it is not one of maps, with a frame around what the neuron sees. */
function whole(path, field, name) {
  const [channels, height, width] = report.input;
  const frame = `left:${(100 * field.left) / width}%;width:${(100 * field.width) / width}%;`
    + `top:${(100 * field.top) / height}%;height:${(100 * field.height) / height}%`;
  const framed = [1, 3].includes(channels);
  return element("figure", {}, element("span", { class: "framed" },
    picture(path, `${name}: the whole picture`, 280),
    framed && element("span", { class: "frame", style: frame })),
  element("figcaption", {}, framed ? "the same, whole; framed: what the neuron sees"
    : "the same, whole"));
}
