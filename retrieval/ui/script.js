// Runs once the bar is drawn; element, trigger, props, upload and watch come from gr.HTML.
window.parallax?.stop.abort();
const stop = new AbortController();
const find = (what, from = document) => from.querySelector(what);
const all = (what, from = document) => [...from.querySelectorAll(what)];
const on = (target, names, run) =>
  names.split(" ").forEach((name) => target.addEventListener(name, run, { signal: stop.signal }));
const [text, gallery, k, chip, say] = ["text", "gallery", "k", "chip", "say"].map((id) => find(`#${id}`, element));
// asked: number of the latest query; sent: of the one that the server has, none where it has
// answered; timer, stopping: it will be, it was told to give way; panels: what the user wants, ahead of what is drawn
const state = { asked: 0, sent: 0, since: 0, stopping: false, timer: 0, panels: [], where: "", row: null, file: null, url: "", crop: null, good: Number(new URLSearchParams(location.search).get("good")) || 0 };
const SLOW = 400; // milliseconds after which a query gives way to the next

// --- the address ---------------------------------------------------------------------------
function address() {
  const params = new URLSearchParams({ gallery: gallery.value });
  if (state.row !== null) params.set("row", state.row);
  else if (!state.file && text.value.trim()) params.set("q", text.value);
  if (state.crop && (state.file || state.row !== null)) params.set("crop", state.crop.join(","));
  if (state.where) params.set("where", state.where);
  params.set("k", k.value);
  state.panels.forEach((panel) => params.append("panel", panel));
  if (document.body.classList.contains("missed")) params.set("missed", "1");
  if (state.good) params.set("good", state.good);
  return `?${params}`;
}

function remember(query) {
  const kept = [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith("__"));
  const params = new URLSearchParams([...new URLSearchParams(query), ...view(), ...kept]);
  history.replaceState(null, "", `${location.pathname}?${params}`);
  if (find("#ask").dataset.space && parent !== window)
    parent.postMessage({ queryString: String(params), hash: "" }, "https://huggingface.co");
}

function ask() {
  state.asked += 1;
  say.textContent = "";
  all(".panel").forEach((panel) => panel.setAttribute("aria-busy", "true"));
  props.value = { address: address(), file: state.file, asked: state.asked };
  if (state.stopping || state.timer) return; // it goes out once the one before is done or gives way
  if (state.sent === null) return void trigger("submit");
  const left = state.sent === 0 ? 0 : SLOW - (performance.now() - state.since);
  state.timer = setTimeout(giveWay, Math.max(0, left));
}

function giveWay() {
  Object.assign(state, { timer: 0, stopping: true });
  trigger("stop");
}

// --- what came back ------------------------------------------------------------------------
function drawn() {
  const over = find(".over");
  if (!over) return;
  if (Number(over.dataset.asked) === state.asked) fresh(over);
  all(".panel").forEach((panel, at) => wanted(panel, state.panels[at]));
  folds();
  match();
}

/** Dim what is less likely to be right than the user wants, and say where nothing is left. */
function match() {
  all("[data-good]").forEach((each) => set(each, state.good));
  all(".panel:has([data-chance])").forEach((panel) => {
    const tiles = all(".tile[data-chance]", panel);
    tiles.forEach((each) => each.classList.toggle("weak", 100 * each.dataset.chance < state.good));
    const found = tiles.filter((each) => !each.classList.contains("lost")); // the missed are no answer
    const best = Math.max(...found.map((each) => 100 * each.dataset.chance));
    const near = Math.round(best) < state.good ? Math.round(best) : Math.floor(best); // as its tile says, and never as much as is wanted
    const none = find("[data-none]", panel);
    none.hidden = !found.length || best >= state.good;
    none.textContent = none.hidden ? "" : `No good match: the best has a probability of ${best < 1 ? "less than 1" : near} %, and ${state.good} % is wanted.`;
  });
}

function folds() {
  const open = (name) => (each) => each.setAttribute("aria-expanded", document.body.classList.contains(name));
  all("[data-build]").forEach(open("build"));
  all("#knobs").forEach(open("knobs"));
}

function fresh(over) {
  const params = new URLSearchParams(over.dataset.address);
  state.panels = params.getAll("panel");
  state.where = params.get("where") ?? "";
  all("[data-where=part]").forEach(portion);
  gallery.value = params.get("gallery");
  set(k, params.get("k"));
  if (params.has("q") && document.activeElement !== text) text.value = params.get("q");
  if (params.has("row") && state.row !== Number(params.get("row"))) {
    const [typing, upload] = [document.activeElement === text ? text.value : "", sending];
    show(Number(params.get("row")), params.get("crop"));
    [text.value, sending] = [typing, upload];
  }
  // the switch needs no answer, so a late one must not turn it back
  if (state.asked === 0) document.body.classList.toggle("missed", params.get("missed") === "1");
  if (document.body.classList.contains("missed")) params.set("missed", "1");
  else params.delete("missed");
  if (state.asked === 0) state.good = Number(params.get("good") ?? 0);
  if (state.good) params.set("good", state.good);
  else params.delete("good");
  find("[data-missed]").checked = params.has("missed");
  document.body.dataset.panels = over.dataset.panels;
  remember(`?${params}`);
}

function set(range, value) {
  if (value === undefined || value === null) return;
  range.value = value;
  label(range);
}

const steps = (range) => range.dataset.steps?.split(",").map(Number);

function label(range) {
  const value = steps(range)?.[range.value] ?? range.value;
  range.nextElementSibling.textContent = value;
  range.setAttribute("aria-valuetext", value);
  range.style.setProperty("--at", `${(100 * (range.value - range.min)) / (range.max - range.min || 1)}%`);
  return Number(value);
}

function portion(range) {
  const at = range.value;
  range.nextElementSibling.textContent = range.dataset.said.split("|")[at];
  range.setAttribute("aria-valuetext", range.dataset.said.split("|")[at]);
  range.style.setProperty("--at", `${(100 * at) / range.max}%`);
  return Number(range.dataset.parts.split(",")[at]);
}

function narrow(it) {
  if (it.dataset.where === "label") state.where = it.value;
  else state.where = portion(it) < 1000 ? `part<${portion(it)}` : "";
  ask();
}

function wanted(panel, address) {
  const knobs = new URLSearchParams(address?.split("?")[1]);
  all("[data-pick]", panel).forEach((pick) => {
    const chosen = find("option[selected]", pick);
    if (panel.dataset.panel === address && chosen) pick.value = chosen.value;
  });
  all("[data-knob]", panel).forEach((range) => {
    const value = Number(knobs.get(range.dataset.knob) ?? range.dataset.default);
    set(range, steps(range).findLastIndex((step) => step <= value));
  });
}

window.parallax = {
  stop,
  drawn,
  sent: () => Object.assign(state, { sent: state.asked, since: performance.now() }),
  settled: () => {
    if (state.stopping || state.timer) {
      clearTimeout(state.timer);
      Object.assign(state, { timer: 0, stopping: false, sent: null });
      return void trigger("submit");
    }
    if (state.sent !== state.asked) return; // the next query is on its way
    state.sent = null;
    all(".panel").forEach((panel) => panel.removeAttribute("aria-busy"));
  },
};

// --- panels --------------------------------------------------------------------------------
const place = (inside) => all(".panel").indexOf(inside.closest(".panel"));
const read = (panel) => {
  const [head, tail] = panel.split("?");
  return { parts: head.split("@"), knobs: new URLSearchParams(tail) };
};
const write = ({ parts, knobs }) => parts.join("@") + (String(knobs) && `?${knobs}`);

// the nearest panel to one that cannot be asked; any other as it is
const mended = (panel) => all(".panel[data-mend]").find((each) => each.dataset.panel === panel)?.dataset.mend ?? panel;
const readable = () => state.panels.filter((panel) => mended(panel) === panel);

function pick(select) {
  const at = place(select);
  const panel = read(mended(state.panels[at]));
  panel.parts[select.dataset.pick === "embedder" ? 0 : 1] = encodeURIComponent(select.value);
  if (select.dataset.pick === "index") panel.knobs = new URLSearchParams();
  state.panels[at] = write(panel);
  ask();
}

function turn(range) {
  const at = place(range);
  const panel = read(state.panels[at]);
  const value = label(range);
  if (value === Number(range.dataset.default)) panel.knobs.delete(range.dataset.knob);
  else panel.knobs.set(range.dataset.knob, value);
  state.panels[at] = write(panel);
}

function add() {
  const [embedder] = read(mended(state.panels.at(-1))).parts;
  const options = all(".panel:first-child [data-pick=index] option:not([disabled])", all(".panel").at(-1).parentNode);
  options.sort((one, other) => (one.parentNode.label === "Exact") - (other.parentNode.label === "Exact")); // what differs first
  const free = options.find(({ value }) => !state.panels.some((panel) => panel.startsWith(`${embedder}@${encodeURIComponent(value)}`)));
  state.panels.push(`${embedder}@${encodeURIComponent((free ?? options[0]).value)}`);
  ask();
}

const clicks = {
  "[data-row]": (it) => (show(Number(it.dataset.row)), ask(), scrollTo({ top: 0 })),
  "[data-try]": (it) => (forget(), (text.value = it.dataset.try), ask()),
  "[data-remove]": (it) => (state.panels.splice(place(it), 1), ask()),
  "[data-add]": add,
  "[data-instead]": (it) => {
    const panel = read(state.panels[place(it)]);
    panel.parts[0] = encodeURIComponent(it.dataset.instead);
    state.panels[place(it)] = write(panel);
    ask();
  },
  "[data-use]": (it) => ((state.panels[place(it)] = mended(state.panels[place(it)])), ask()),
  "[data-give]": () => find("#file").click(),
  "[data-build]": () => (document.body.classList.toggle("build"), folds()),
  "#knobs": () => (document.body.classList.toggle("knobs"), folds()),
  "#link": copy,
  "#theme": () => {
    const dark = document.body.classList.toggle("dark");
    try { localStorage.setItem("parallax-theme", dark ? "dark" : "light"); } catch { /* a frame may forbid it */ }
  },
};
on(document, "click", (event) => {
  for (const [what, run] of Object.entries(clicks)) {
    const it = event.target.closest?.(what);
    if (it) return run(it);
  }
});
on(document, "change", ({ target }) => {
  if (target.matches("[data-pick]")) pick(target);
  if (target.matches("[data-when=build]")) ask();
  if (target.matches("[data-where]")) narrow(target);
  if (target.matches("[data-missed]")) {
    document.body.classList.toggle("missed", target.checked);
    remember(address());
  }
});
on(document, "input", ({ target }) => {
  if (target.matches("[data-good]")) {
    state.good = label(target);
    match();
    return remember(address());
  }
  if (target.matches("[data-where=part]")) portion(target);
  if (!target.matches("[data-knob]")) return;
  turn(target);
  if (target.dataset.when === "query") ask();
});
on(k, "input", () => label(k));
on(k, "change", ask);
on(gallery, "change", () => {
  if (all("[data-try]").some((each) => each.dataset.try === text.value)) text.value = "";
  if (state.row !== null) forget();
  if (!state.where.startsWith("part")) state.where = ""; // another gallery has other labels
  ask();
});
on(find("#ask"), "submit", (event) => {
  event.preventDefault();
  if (text.value.trim()) forget(); // a picture that is asked empties it, so it was typed since
  if (text.value.trim() || state.file || state.row !== null) ask();
  else say.textContent = "Type what the picture should show, or give a picture.";
});
try {
  const kept = localStorage.getItem("parallax-theme");
  if (kept) document.body.classList.toggle("dark", kept === "dark");
} catch { /* a frame may forbid it */ }
label(k);
