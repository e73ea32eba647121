// What is left when something is taken away: the best image, the best without color, without shape.

sections.push(maxima);

const WITHOUT = { all: "the best of all", gray: "the best without color",
  flat: "the best without shape", flat_gray: "the best with neither" };

function maxima(unit) {
  const found = unit.evidence.maxima;
  if (!found || !unit.shares) return null;
  const { color, shape, brightness } = unit.shares;
  return part("What is left when something is taken away",
    paragraph(`Of the gain, ${percent(color)} is due to color, ${percent(shape)} to shape and `
      + `${percent(brightness)} to brightness.`),
    mix(unit.shares),
    element("div", { class: "row" }, Object.entries(WITHOUT).map(([name, said]) => {
      const each = found[name];
      return scored(picture(each.picture, `${said}: score ${number(each.score)}`, 168), said, each);
    })),
    note("Each is the image that excites the unit most of all, of all gray ones, of all of one "
      + "color, and of all of one gray. The bar is the share of the gain: from mid gray (left "
      + "mark, 0%) to the best of all (right mark, 100%)."));
}
