// How the pictures of a unit came about: one slider that moves all of them.

sections.push(evolution);

let playing = null; // the timer while the evolution plays

function stopPlaying() {
  clearInterval(playing);
  playing = null;
}

function evolution(unit) {
  if (isCut(unit)) return null;
  const title = "How the pictures came about";
  const { pictures, starts } = unit.evidence;
  const origins = Object.entries(starts).map(([name, count]) => `${count} ${name}`);
  const tried = origins.length > 0 && note(`Starts tried: ${origins.join(", ")}.`);
  if (!pictures?.items.length) {
    return part(title, note("There are no pictures of this unit."), tried);
  }
  const board = element("div", { id: "seeds" }, seeds(unit));
  return part(title, tried, player(pictures.steps, board), board,
    !unit.dead && note(`Percent: the share of the gain from ${NEUTRAL} to the best picture${
      layers.get(unit.layer).flat ? ""
        : " that maximizes the same, of the channel or of one neuron"}.`));
}

/** The slider and its button. All cells follow one property of `board`: the column they show. */
function player(steps, board) {
  const end = steps.length - 1;
  const said = element("output", { id: "step" });
  const button = element("button", { id: "play", type: "button" });
  const slider = element("input",
    { id: "slider", type: "range", min: 0, max: end, value: end, "aria-label": "Step" });
  slider.disabled = button.disabled = end < 1;

  const show = () => {
    const step = Number(slider.value);
    if (step === end) stopPlaying();
    board.style.setProperty("--column", `${end ? (100 * step) / end : 0}%`);
    button.textContent = playing ? "❚❚ pause" : "▶\uFE0E play";
    said.textContent = `step ${steps[step]} of ${steps[end]}`;
    slider.setAttribute("aria-valuetext", said.textContent);
  };
  const forward = () => {
    slider.value = Number(slider.value) + 1;
    show();
  };
  slider.addEventListener("input", () => {
    stopPlaying();
    show();
  });
  button.addEventListener("click", () => {
    if (playing) {
      stopPlaying();
    } else {
      if (Number(slider.value) === end) slider.value = 0;
      playing = setInterval(forward, 250);
    }
    show();
  });
  show();
  return element("div", { class: "player" }, button, slider, said);
}

/** All pictures of a unit, the best first, by the facet that they led to. */
function seeds(unit) {
  const rows = unit.evidence.pictures.items.map((item, row) => ({ item, row }));
  rows.sort((a, b) => (b.item.score ?? -Infinity) - (a.item.score ?? -Infinity));
  return [...unit.facets.keys(), null].map((index) => {
    const led = rows.filter(({ item }) => item.facet === index);
    const name = !report.facets || unit.dead ? "From all starts"
      : index === null ? `Not matched with ${unit.facets.length > 1 ? "any of them" : "it"}`
      : unit.facets.length > 1 ? `Of facet ${index + 1}: ${unit.words.facets[index]}`
        : "Of what excites it";
    return led.length > 0 && [element("h4", {}, `${name} (${plural(led.length, "picture")})`),
      element("div", { class: "row" }, led.map((each) => seed(unit, each)))];
  });
}

function seed(unit, { item, row }) {
  const { sprite, cell: size, steps, items } = unit.evidence.pictures;
  const what = item.position ? `${item.objective} (${item.position.join(", ")})` : item.objective;
  const start = `seed ${item.seed}, ${item.initial_image}`;
  const label = `${what}, ${start}: score ${number(item.score)}`;
  return element("figure", { class: "small" },
    cell({ sprite, size, columns: steps.length, rows: items.length, row, label, target: 140 }),
    element("figcaption", { title: item.regularizers }, element("b", {}, what),
      element("span", {}, `seed ${item.seed}`), element("span", {}, item.initial_image),
      element("span", {}, `score ${number(item.score)}`,
        !unit.dead && ` (${percent(item.share)})`),
      !unit.dead && item.record.penalties_won && penalties()));
}
