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
  const { field, neuron } = unit.evidence;
  const cropped = field && (field.height < height || field.width < width);
  const others = found.pictures.slice(1).map((path, i) => element("figure", {},
    picture(path, `${name}: ${said}; picture ${i + 2}`, 168),
    element("figcaption", {}, "from another start")));
  return part([name, ": ", symbol(found), said],
    paragraph(`The best picture has ${scoreOf(unit, found.score, { position: neuron })}; `
      + `climbing on from it reaches ${percent(found.strength)} of the gain. `
      + `${percent(found.share)} of the starts led to it.`),
    element("div", { class: "row" }, bests(found, `${name}: ${said}`, cropped),
      cropped && found.full && whole(found, field, name), others),
    found.styles.length > 0 && note(madeOf(found)));
}

/** The best picture of a facet, in both styles where it is the facet's in both. */
function bests(found, said, cropped) {
  const shown = found.styles.length ? found.styles : [{ picture: found.pictures[0] }];
  return shown.map(({ style, score, picture: path }) => element("figure", {},
    picture(path, `${said}; ${style ?? "the best"}`, 280),
    element("figcaption", {}, style ? `${STYLES[style]}; score ${number(score)}` : "the best",
      cropped && `${style ? ";" : ","} cropped to what the neuron sees`)));
}

/** The style that a facet's best picture was found in. */
const ownStyle = (found) => found.styles.find((each) => each.picture === found.pictures[0]).style;

/** How the best pictures of a facet come from each other, or that there is but one. */
function madeOf(found) {
  const own = ownStyle(found);
  const other = own === "plain" ? "legible" : "plain";
  return found.styles.length > 1
    ? `The ${other} one was made from the ${own} one, and is still of this facet.`
    : `There is no ${other} one: made from the ${own} one, it left this facet.`;
}

/** The whole picture; where it is not one of maps, with a frame around what the neuron sees. */
function whole(found, field, name) {
  const [channels, height, width] = report.input;
  const frame = `left:${(100 * field.left) / width}%;width:${(100 * field.width) / width}%;`
    + `top:${(100 * field.top) / height}%;height:${(100 * field.height) / height}%`;
  const framed = [1, 3].includes(channels);
  return element("figure", {}, element("span", { class: "framed" },
    picture(found.full, `${name}: the whole picture`, 280),
    framed && element("span", { class: "frame", style: frame })),
  element("figcaption", {}, found.styles.length ? `the ${ownStyle(found)} one, whole` : "the same, whole",
    framed && "; framed: what the neuron sees"));
}
