"use strict";
// What the page is made of. All text from the report goes into the page as text, never as markup.

// What the overview needs of every unit. The evidence comes later, layer by layer: see load().
const report = JSON.parse(document.getElementById("report").textContent);
const layers = new Map(report.layers.map((layer) => [layer.name, layer]));
const everything = report.layers.flatMap((layer) =>
  layer.units.map((unit) => Object.assign(unit, { layer: layer.name })));

const SVG = new Set(["svg", "path", "line", "rect", "circle", "text", "title"]);
const present = (child) => child !== null && child !== undefined && child !== false;

/** Makes an element; attributes and children that are null or false are left out. */
function element(tag, attributes = {}, ...children) {
  const made = SVG.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (present(value)) made.setAttribute(name, value);
  }
  made.append(...children.flat(3).filter(present));
  return made;
}

const $ = (id) => document.getElementById(id);
const paragraph = (...text) => element("p", {}, ...text);
const note = (...text) => element("p", { class: "note" }, ...text);
const part = (title, ...content) =>
  element("section", { class: "part" }, element("h3", {}, title), ...content);

/** A table that scrolls by itself where the page is narrower. */
const scrolling = (label, table) =>
  element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, table);

/** A picture's path as an address, whatever characters its layer's name has. */
const address = (path, folder = "") => folder + path.split("/").map(encodeURIComponent).join("/");

/** The largest whole multiple of `pixels` within `target`. */
const enlarged = (pixels, target) => pixels * Math.max(1, Math.floor(target / pixels));

/** A picture of a file of its own, `target` pixels wide or, if that is enlarging, nearly. */
function picture(path, alt, target, folder = "") {
  const made = element("img", { src: address(path, folder), alt, width: target, loading: "lazy" });
  made.onload = () => {
    made.width = Math.min(target, enlarged(made.naturalWidth, target));
  };
  return made;
}

/**
 * One of the `columns` x `rows` equal cells of a sprite, `size` = [height, width] pixels each.
 * Without a column it shows the one that the property --column says.
 */
function cell({ sprite, size, columns, rows = 1, column, row = 0, label, target = 112 }) {
  const at = (index, count) => (count > 1 ? `${(100 * index) / (count - 1)}%` : "0%");
  const x = column === undefined ? "var(--column)" : at(column, columns);
  const [height, width] = size;
  const style = [
    `background-image:url("${address(sprite)}")`,
    `background-size:${columns * 100}% ${rows * 100}%`,
    `background-position:${x} ${at(row, rows)}`,
    `width:${enlarged(width, target)}px`,
    `aspect-ratio:${width}/${height}`,
  ];
  return element("div",
    { class: "cell", role: "img", "aria-label": label, style: style.join(";") });
}

/** A share of the gain as a bar with marks at 0% and 100%. Beyond −50% and 150% it is cut off. */
function shareBar(share) {
  if (share === null) return null;
  const x = (value) => 50 * (Math.min(1.5, Math.max(-0.5, value)) + 0.5);
  const [from, to] = [x(Math.min(0, share)), x(Math.max(0, share))];
  const cut = share < -0.5 || share > 1.5;
  return element("span", { class: cut ? "bar cut" : "bar", "aria-hidden": "true" },
    element("i", { style: `left:${from}%;width:${to - from}%` }));
}

/** What a unit's gain is due to, as a bar of three parts; null of a dead unit. */
function mix(shares) {
  if (!shares) return null;
  const parts = ["color", "shape", "brightness"];
  const said = parts.map((part) => `${part} ${percent(shares[part])}`).join(", ");
  return element("span", { class: "mix", role: "img", title: said, "aria-label": said },
    parts.map((part) =>
      element("i", { class: `of-${part}`, style: `width:${100 * shares[part]}%` })));
}

/** A small picture with a name, its score, and its share of the gain as a bar. */
function scored(image, name, item) {
  return element("figure", { class: "small" }, image, element("figcaption", {},
    name && element("b", {}, name),
    element("span", {}, `score ${number(item.score)}`),
    element("span", { class: "reached" }, shareBar(item.share), percent(item.share))));
}
