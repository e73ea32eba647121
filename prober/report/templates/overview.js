// The overview: layers, their units as cards, filters.

const filter = { kinds: new Set(), flags: new Set(), part: null, layer: null, sort: "channel" };

const FLAGS = {
  polysemantic: (unit) => unit.polysemantic,
  dead: (unit) => unit.dead,
  "not trusted": (unit) => unit.trusted === false,
};

const ORDERS = {
  channel: () => 0,
  most: (a, b) => b.confidence - a.confidence,
  least: (a, b) => a.confidence - b.confidence,
  hue: (a, b) => (a.hue ?? 999) - (b.hue ?? 999), // those without a hue come last
};

/**
 * The units of a layer that are shown, in their order: any of the kinds and all of the flags, and
 * those of a part, of which the largest comes first.
 */
function shown(layer) {
  const passes = (unit) =>
    (!filter.kinds.size || unit.kinds.some((kind) => filter.kinds.has(kind)))
    && [...filter.flags].every((flag) => FLAGS[flag](unit))
    && (!filter.part || unit.largest === filter.part);
  if (filter.layer && filter.layer !== layer.name) return [];
  const byPart = filter.part && filter.sort === "channel";
  const order = byPart ? (a, b) => b.mix[filter.part] - a.mix[filter.part] : ORDERS[filter.sort];
  return layer.units.filter(passes).sort(order);
}

function card(unit) {
  const alt = `What ${unitName(unit.layer, unit.key)} of ${unit.layer} wants to see`;
  const size = { width: 112, height: 112 };
  return element("li", {}, element("a", { class: "card", href: link(unit), "data-key": unit.key },
    unit.picture
      ? element("img", { src: address(unit.picture), alt, loading: "lazy", ...size })
      : element("span", { class: "none" }, unit.dead ? "nothing excites it" : "no picture"),
    mix(unit.mix),
    element("span", { class: "line" }, element("b", {}, unit.class_name ?? unit.key.replace("/", " at ")),
      !unit.dead && present(unit.confidence)
        && element("span", { class: "sure", title: "confidence" }, `${percent(unit.confidence)} sure`)),
    badges(unit),
    unit.polysemantic && element("span", { class: "flag" }, plural(unit.facets, "facet")),
    unit.trusted === false
      && element("span", { class: "flag warning" }, `${WARNING} not trusted`)));
}

/** How the units of a layer divide into kinds in both subjects: two bars for each kind. */
function shares(layer) {
  const both = [
    [report.subject, layer.shares, "this"], [report.against, layer.other_shares, "other"]];
  const kinds = report.shares.filter((kind) => both.some(([, counts]) => kind in counts));
  const share = (counts, kind) =>
    (counts[kind] ?? 0) / Math.max(1, Object.values(counts).reduce((sum, count) => sum + count, 0));
  const bar = (name, whose, of) =>
    element("dd", { title: name, "aria-label": `${name}: ${percent(of)}` },
      element("span", {}, element("i", { class: whose, style: `width:${100 * of}%` })),
      percent(of));
  return element("div", { class: "shares" },
    element("p", { class: "note" }, "Share of the units: ", both.map(([name, , whose]) =>
      element("span", { class: "key" }, element("i", { class: whose }), name))),
    element("dl", {}, kinds.map((kind) => element("div", {}, element("dt", {}, kind),
      both.map(([name, counts, whose]) => bar(name, whose, share(counts, kind)))))));
}

// A layer gets its cards when it comes near the view: a CNN may have thousands of units.
const nearView = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) fill(entry.target);
}, { rootMargin: "600px" });

function fill(list) {
  if (list.childElementCount) return;
  list.replaceChildren(...shown(layers.get(list.dataset.layer)).map(card));
  list.style.minHeight = "";
}

function drawOverview() {
  nearView.disconnect();
  let count = 0;
  const columns = Math.max(1, Math.floor(($("layers").clientWidth + 8) / 120));
  $("layers").replaceChildren(...report.layers.filter((each) => shown(each).length).map((layer) => {
    const units = shown(layer);
    count += units.length;
    // The height that the cards will take, so that the page does not jump when they come.
    const list = element("ul", { class: "cards", "data-layer": layer.name,
      style: `min-height:${Math.ceil(units.length / columns) * 190}px` });
    if (units.length) nearView.observe(list);
    const all = plural(layer.units.length, "unit");
    return element("section", { class: "layer", "data-layer": layer.name },
      element("h2", {}, layer.name, " ", element("small", {},
        units.length === layer.units.length ? all : `${units.length} of ${all} shown`)),
      report.against && report.facets && units.length > 0 && shares(layer), list);
  }));
  if (!count) $("layers").append(note("No unit is all of this."));
  tellFilter(count);
}

/** Shows which filters are on and how many units they leave. */
function tellFilter(count) {
  const all = plural(everything.length, "unit");
  const filtered = count < everything.length;
  const most = filter.part ? `, most of all by ${filter.part}` : "";
  $("shown").textContent = filtered ? `${count.toLocaleString("en")} of ${all} shown${most}` : all;
  $("all").hidden = !filter.layer && !filter.part && !filter.kinds.size && !filter.flags.size
    && filter.sort === "channel";
  $("sort").value = filter.sort;
  for (const chip of document.querySelectorAll(".chip")) {
    const { kind, flag } = chip.dataset;
    chip.setAttribute("aria-pressed", filter.kinds.has(kind) || filter.flags.has(flag));
  }
}

/** Shows only the units of one kind, flag or part in one layer, or all if there is no name. */
function only(name, layer = null, part = null) {
  filter.kinds.clear();
  filter.flags.clear();
  filter.layer = layer;
  filter.part = part;
  if (name) (name in FLAGS ? filter.flags : filter.kinds).add(name);
  drawOverview();
}

/** The section or list of a layer. */
const ofLayer = (tag, name) =>
  [...document.querySelectorAll(`#layers ${tag}`)].find((each) => each.dataset.layer === name);

$("sort").addEventListener("change", () => {
  filter.sort = $("sort").value;
  drawOverview();
});
$("all").addEventListener("click", () => {
  filter.sort = "channel";
  only(null);
});
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    const { kind, flag } = chip.dataset;
    const chosen = kind ? filter.kinds : filter.flags;
    if (!chosen.delete(kind ?? flag)) chosen.add(kind ?? flag);
    filter.layer = filter.part = null;
    drawOverview();
  });
}
for (const bar of document.querySelectorAll("[data-part]")) {
  bar.addEventListener("click", () => {
    only(null, bar.dataset.layer, bar.dataset.part);
    ofLayer("section", bar.dataset.layer).scrollIntoView();
  });
}
for (const count of document.querySelectorAll("[data-only]")) {
  count.addEventListener("click", () => {
    only(count.dataset.only, count.dataset.layer);
    ofLayer("section", count.dataset.layer).scrollIntoView();
  });
}
