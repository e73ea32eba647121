// Whether a unit's picture takes the path of real images.

sections.push(trust);

function trust(unit) {
  if (!report.facets || isCut(unit)) return null;
  const title = "How far to trust the picture";
  const found = unit.evidence.trust;
  if (!found) {
    return part(title, note(unit.dead ? "There is no picture of a dead unit to trust."
      : "This cannot be said: there was nothing real to compare it with."));
  }
  const names = {
    picture: "the picture", real: "an exciting real image", random: "random real images" };
  const table = element("table", { class: "figures" },
    element("thead", {}, element("tr", {}, ["layer", ...Object.values(names)].map((name) =>
      element("th", { scope: "col" }, name)))),
    element("tbody", {}, found.paths.map((path) => element("tr", {},
      element("th", { scope: "row" }, path.layer),
      Object.keys(names).map((name) => element("td", {}, number(path[name])))))));
  const times = found.times === null ? " None of these excites it more than neutral gray does."
    : ` From neutral gray, the picture goes ${number(found.times)} times as far.`;
  return part(title,
    paragraph(`The picture that excites it most scores ${number(found.picture)}, the best real image `
      + `${number(found.best_real)}.`, times),
    found.paths.length > 0 && [
      paragraph("Does it go through the earlier layers as those real images do that excite the "
        + "unit most? Its likeness to them (1: the same) should be near that of another such "
        + "image, not near that of random ones."),
      scrolling("Likeness in the earlier layers", table)],
    unit.trusted === false
      && element("p", { class: "warning" }, `${WARNING} So it is not trusted to say what real images do.`));
}
