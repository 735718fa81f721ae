
// --- the tabs beside the search: drawn by the server when they are opened ------------------------
const TABS = ["search", "tradeoffs", "quality", "duplicates", "choose"];
const START = new URLSearchParams(location.search);
// run: what aborts the measuring that goes on, and asked: number of the latest drawing, by tab;
// told: the setting whose figures are shown
const views = { tab: "search", embedder: "", queries: "", language: "", speed: "", target: 0.95, run: {}, asked: {}, told: null, drawnWith: [] };

/** What the address holds of the tabs. */
function view() {
  const use = paid.checked ? [["use", "commercial"]] : [];
  if (views.tab === "search") return use;
  if (views.tab === "choose") return [...use, ["tab", "choose"], ...Object.entries(need)];
  if (views.tab === "duplicates") return [...use, ["tab", views.tab], ...twinsAddress()];
  const choice = { tradeoffs: ["embedder", "queries", "speed", "target"], quality: ["language"] }[views.tab] ?? [];
  return [...use, ["tab", views.tab], ...choice.filter((name) => views[name]).map((name) => [name, views[name]])];
}

const paid = find("#commercial", element);
const part = (tab, name) => find(`#${tab} [data-piece=${name}]`, element);

function open(tab, focus) {
  if (!TABS.includes(tab)) return;
  if (tab !== views.tab) say.textContent = "";
  views.tab = tab;
  document.body.dataset.view = tab;
  all("[data-tab]", element).forEach((each) => {
    const chosen = each.dataset.tab === tab;
    each.setAttribute("aria-selected", chosen);
    each.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) each.focus();
  });
  all(".view", element).forEach((each) => (each.hidden = (each.dataset.with ?? each.id) !== tab));
  light(null);
  if (find(".over")) remember(address());
  if (tab !== "search") whole(tab);
}

/** Draw a tab and the sections under it, each on its own. */
const whole = (tab, only) => [tab, ...all(`[data-with=${tab}]`, element).map((each) => each.id)].forEach((each) => draw(each, only));

/** Pixels that a section may take: the window's where it is not laid out, as while a page is printed. */
const wide = (tab) => Math.round(find(`#${tab}`, element).clientWidth) || innerWidth || 1;

/** What a tab is asked with. */
function request(tab) {
  const shared = { gallery: gallery.value };
  if (tab === "choose") return { ...shared, ...answered(), width: innerWidth || 1 };
  if (tab === "duplicates") return { ...shared, ...twinsRequest() };
  if (tab === "quality") return { ...shared, panels: state.panels.map((panel) => (mended(panel) === panel ? panel : "")), language: views.language };
  const embedder = views.embedder || decodeURIComponent(readable()[0]?.split("@")[0] ?? "");
  const width = wide(tab);
  if (tab === "scale") return { ...shared, embedder, width, ...given(tab, "ms") };
  return { ...shared, embedder, queries: views.queries, speed: views.speed, target: views.target, width };
}

/** Numbers that were typed into a tab, where they are some. */
const given = (tab, ...names) =>
  Object.fromEntries(names.map((name) => [name, find(`#${tab} [data-${name}]`, element)?.valueAsNumber]).filter(([, value]) => Number.isFinite(value)));

const post = (path, body, signal) =>
  fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });

function put(tab, pieces) {
  if (pieces.problem) part(tab, "say").textContent = sentence(pieces.problem);
  for (const name of Object.keys(pieces)) {
    if (!part(tab, name)) continue;
    if (name === "say") part(tab, name).textContent = pieces[name];
    else keeping(part(tab, name), pieces[name]);
  }
  busy(tab);
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/** Put HTML in the place of another, with what was focused and what was open in it. */
function keeping(place, html) {
  const name = place.contains(document.activeElement) ? document.activeElement.dataset : null;
  const opened = all("details", place).map((each) => each.open && find("summary", each).textContent);
  place.innerHTML = html;
  all("details", place).forEach((each) => (each.open = opened.includes(find("summary", each).textContent)));
  if (name?.apply) find(`[data-apply="${CSS.escape(name.apply)}"]`, place)?.focus();
  if (name?.language !== undefined) find("[data-language]", place)?.focus();
  if (name?.embedder !== undefined) find("select[data-embedder]", place)?.focus();
}

function busy(tab) {
  const on = Boolean(views.run[tab]);
  find(`#${tab}`, element).toggleAttribute("aria-busy", on);
  const [measure, halt] = ["[data-measure]", "[data-halt]"].map((what) => find(`#${tab} ${what}`, element));
  if (measure) measure.hidden = on;
  if (halt) halt.hidden = !on;
}

async function draw(tab, only) {
  const number = (views.asked[tab] = (views.asked[tab] ?? 0) + 1);
  views.drawnWith = readable();
  try {
    const pieces = await (await post(`tab/${tab}`, request(tab))).json();
    if (number !== views.asked[tab]) return;
    if (pieces.problem && tab === "choose" && !only && unanswered()) return void draw(tab).then(() => put(tab, pieces));
    if (pieces.problem) return put(tab, { ...(only === "answer" ? {} : { head: "" }), plot: "", table: "", more: "", fits: "", both: "", problem: pieces.problem });
    find(`#${tab} .slide`, element)?.removeAttribute("hidden");
    if (only) (only === "answer" ? ["head"] : ["head", "more"]).forEach((name) => delete pieces[name]);
    if (only !== true && !views.run[tab]) pieces.say = "";
    put(tab, pieces);
    chosen(tab);
    if (tab === "quality") voting();
  } catch {
    if (number === views.asked[tab]) part(tab, "say").textContent = "The server does not answer; try again in a moment.";
  }
}

/** What the server has chosen where nothing was, for the address. */
function chosen(tab) {
  if (tab === "duplicates") return twinsDrawn();
  if (tab !== "tradeoffs") return;
  views.embedder = find("#tradeoffs select[data-embedder]", element)?.value ?? views.embedder;
  views.queries = find("#tradeoffs [name=queries]:checked", element)?.value ?? views.queries;
  if (views.tab === tab && find(".over")) remember(address());
}

async function measure(tab) {
  halt(tab);
  const run = (views.run[tab] = new AbortController());
  const asked = request(tab);
  const body = { ...asked, ...given(tab, "seconds", "memory") };
  let late = false; // what came is not drawn: the tab shows something else by now
  const came = (pieces) => {
    late = JSON.stringify(request(tab)) !== JSON.stringify(asked);
    put(tab, late ? Object.fromEntries(["say", "problem"].filter((name) => name in pieces).map((name) => [name, pieces[name]])) : pieces);
  };
  put(tab, { say: "Preparing" });
  try {
    const answer = await post(`tab/${tab}/measure`, body, run.signal);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "", got = await reader.read(); !got.done; got = await reader.read()) {
      const lines = (rest + got.value).split("\n");
      rest = lines.pop();
      lines.filter(Boolean).forEach((line) => came(JSON.parse(line)));
      if (!answer.ok && rest) put(tab, JSON.parse(rest));
    }
  } catch (error) {
    if ((views.run[tab] ?? run) !== run) return; // another has begun since
    const why = error.name === "AbortError" ? "Stopped; what was measured is kept." : "The server went away; what was measured is kept.";
    part(tab, "say").textContent = why;
    late ||= tab === "quality"; // its counts are those of before; the other tabs have drawn what they measured
  } finally {
    if (views.run[tab] === run) delete views.run[tab];
    busy(tab);
  }
  if (!late || views.run[tab]) return;
  const ended = part(tab, "say").textContent;
  await draw(tab, tab === "quality" ? undefined : "answer");
  if (!views.run[tab]) part(tab, "say").textContent = ended;
}

function halt(tab) {
  views.run[tab]?.abort();
  delete views.run[tab];
}

/** Open a panel in the search: in the place of one of the same stack, or of the last where all are taken. */
function apply(panel) {
  const stack = panel.split("?")[0];
  const at = state.panels.findIndex((each) => each.split("?")[0] === stack);
  if (at >= 0) state.panels[at] = panel;
  else if (state.panels.length < 4) state.panels.push(panel);
  else state.panels[3] = panel;
}

function worst({ dataset }) {
  const name = encodeURIComponent(dataset.embedder);
  if (!state.panels.some((each) => each.startsWith(`${name}@`))) apply(`${name}@exact`);
  if (dataset.picture !== undefined) show(Number(dataset.picture));
  else (forget(), (text.value = dataset.text));
  open("search");
  ask();
  scrollTo({ top: 0 });
}

async function receipt(button) {
  try {
    const answer = await fetch(`receipt/${encodeURIComponent(button.dataset.receipt)}`);
    const made = await answer.json();
    if (made.problem) return void (say.textContent = sentence(made.problem));
    made.link = link(made.link);
    save(JSON.stringify(made, null, 1), "application/json", `receipt-${made.at.replace(/\W/g, "-")}.json`);
  } catch {
    say.textContent = "The server gives no receipt now; try again in a moment.";
  }
}

/** What may not be used for money is grey where only such things are wanted. */
function commercial() {
  const only = paid.checked;
  all("option[data-noncommercial]").forEach((option) => {
    option.dataset.off ??= option.disabled;
    option.disabled = only || option.dataset.off === "true";
    option.textContent = option.textContent.replace(/ · no commercial use$/, "") + (only ? " · no commercial use" : "");
  });
}

Object.assign(clicks, {
  "[data-tab]": (it) => open(it.dataset.tab),
  "[data-measure]": (it) => measure(it.closest(".view").id),
  "[data-also]": async (it) => {
    views.queries = it.dataset.also;
    await draw("tradeoffs");
    measure("tradeoffs");
  },
  "[data-halt]": (it) => halt(it.closest(".view").id),
  "[data-apply]": (hit) => {
    const it = hit.matches(".dot") && views.told?.isConnected ? views.told : hit; // whose figures are shown is what opens
    // where nothing hovers, the first touch shows the figures and the second opens the panel
    if (it.matches(".dot") && it !== views.ready && matchMedia("(hover: none)").matches) return void (tell(it), (views.ready = it));
    apply(it.dataset.apply);
    open("search");
    ask();
    scrollTo({ top: 0 });
  },
  "[data-worst]": worst,
  "[data-receipt]": receipt,
});
on(document, "change", ({ target }) => {
  if (target.matches("#scale [data-ms]")) return void (target.checkValidity() && draw("scale", true));
  if (target.matches(".view [name=speed]")) return (views.speed = target.value), void draw("tradeoffs", "speed");
  if (target.matches("select[data-embedder]")) views.embedder = target.value;
  else if (target.matches(".view [name=queries]")) views.queries = target.value;
  else if (target.matches("[data-language]")) views.language = target.value;
  else return;
  const { id } = target.closest(".view");
  [id, ...(target.matches("select[data-embedder]") ? ["scale"] : [])].forEach(halt);
  whole(id);
});
on(find("[data-target]", element), "input", ({ target }) => {
  views.target = label(target);
  draw("tradeoffs", true);
});
on(paid, "change", () => (commercial(), find(".over") && remember(address())));
on(gallery, "change", () => {
  Object.keys(views.run).forEach(halt);
  views.language = ""; // another gallery's captions may be in others
  if (views.tab !== "search") whole(views.tab);
});
on(document, "keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step && event.target.matches?.("[data-tab]")) open(TABS[(TABS.indexOf(views.tab) + step + TABS.length) % TABS.length], true);
  const dot = event.target.closest?.(".dot");
  if (!dot) return;
  if (event.key === "Enter" || event.key === " ") (event.preventDefault(), clicks["[data-apply]"](dot));
  const dots = all(".dot", dot.parentNode);
  if (step) (event.preventDefault(), dots[dots.indexOf(dot) + step]?.focus());
});

// the waiting card is drawn anew while it is pressed, so a press counts and not a click
on(document, "pointerdown click", (event) => {
  const it = event.target.closest?.("[data-stop]");
  if (!it || (event.type === "click" && event.detail)) return;
  it.disabled = true;
  post("tab/stop", { embedder: it.dataset.stop }).catch(() => (say.textContent = "The server does not answer; try again in a moment."));
});

on(matchMedia("(max-width: 760px)"), "change", () => views.tab === "tradeoffs" && whole("tradeoffs", true));

// --- the address that was opened -----------------------------------------------------------------
views.embedder = START.get("embedder") ?? "";
views.queries = START.get("queries") ?? "";
views.speed = START.get("speed") ?? "";
views.language = START.get("language") ?? "";
const wantedRecall = Number(START.get("target"));
if (wantedRecall >= 0.5 && wantedRecall <= 1) views.target = wantedRecall;
set(find("[data-target]", element), views.target);
if (START.has("gallery")) gallery.value = START.get("gallery");
paid.checked = START.get("use") === "commercial";
commercial();
state.panels = START.has("panel") ? START.getAll("panel") : find("#ask").dataset.panels.split(" "); // who is quicker than the first answer keeps them
const drawnBefore = window.parallax.drawn;
window.parallax.drawn = () => {
  const before = String(state.panels);
  drawnBefore();
  commercial();
  // a tab may be drawn before it is known which panels cannot be asked
  if (views.tab !== "search" && views.drawnWith.some((panel) => mended(panel) !== panel)) whole(views.tab);
  else if (views.tab === "quality" && before !== String(state.panels)) draw("quality");
};
open(START.get("tab"));
