
// --- the blind vote: kept by the server on one's own machine, else in this browser ---------------
const VOTES = "parallax-votes";
const KEPT = 2000; // votes that a browser keeps

function kept() {
  try {
    const found = JSON.parse(localStorage.getItem(VOTES) ?? "[]");
    return Array.isArray(found) ? found : [];
  } catch {
    return []; // a frame may forbid it, or somebody wrote there
  }
}

function keep(vote) {
  try {
    localStorage.setItem(VOTES, JSON.stringify([...kept(), vote].slice(-KEPT)));
  } catch {
    part("quality", "say").textContent = "This browser keeps nothing here, so the vote is lost when the page closes.";
  }
}

/** Of what pairs are shown. */
const pair = () => gallery.value + state.panels.join();

async function vote(act, more = {}) {
  const mine = kept().filter((each) => each?.gallery === gallery.value);
  const number = (views.votes = (views.votes ?? 0) + 1);
  const of = pair();
  // a pair was asked for meanwhile, or another gallery or other panels
  const late = () => of !== pair() || (act === "tally" && number !== views.votes);
  try {
    const got = await (await post(`tab/quality/vote/${act}`, { ...request("quality"), votes: mine, ...more })).json();
    if (got.kept) keep(got.kept);
    if (got.vote !== undefined && !late()) keeping(part("quality", "vote"), got.vote);
    if (got.problem && of === pair()) problem(got.problem);
    return got;
  } catch {
    problem("the server does not answer; try again in a moment");
  }
}

function problem(words) {
  const place = part("quality", "vote");
  find("[data-wrong]", place)?.remove();
  const said = Object.assign(document.createElement("p"), { className: "note", textContent: sentence(words) });
  said.dataset.wrong = "";
  said.setAttribute("role", "alert");
  place.append(said);
}

/** Count again, unless a pair of the same panels is being looked at. */
function voting() {
  const place = part("quality", "vote");
  const now = pair();
  if (place.dataset.of === now && find("[data-ballot]", place)) return;
  place.dataset.of = now;
  return vote("tally");
}

function mark(it) {
  const ballot = it.closest("[data-ballot]");
  const on = it.getAttribute("aria-pressed") !== "true";
  all(`[data-mark="${it.dataset.mark}"]`, ballot).forEach((each) => each.setAttribute("aria-pressed", on));
  if (on) find("[data-none-right]", ballot).checked = false;
}

function choose(it) {
  const ballot = find("[data-ballot]", part("quality", "vote"));
  const rows = all("[aria-pressed=true]", ballot).map((each) => Number(each.dataset.mark));
  const none = find("[data-none-right]", ballot).checked;
  const marked = rows.length || none ? [...new Set(rows)] : null;
  all("[data-cast]", ballot).forEach((each) => (each.disabled = true));
  return vote("cast", { ballot: ballot.dataset.ballot, choice: it.dataset.cast, marked }).then(() =>
    all("[data-cast]", ballot).forEach((each) => (each.disabled = false)),
  );
}

async function judgements({ dataset: { judgements: kind } }) {
  const got = await vote("export", { kind });
  if (!got?.text) return got?.problem ?? problem("no pictures were marked, so there are no judgements yet");
  save(got.text, "text/plain", `votes-${gallery.value}.${kind === "csv" ? "csv" : "qrels"}`);
}

Object.assign(clicks, {
  "[data-vote]": (it) => vote(it.dataset.vote),
  "[data-mark]": mark,
  "[data-cast]": choose,
  "[data-judgements]": judgements,
});
on(document, "change", ({ target }) => {
  if (!target.matches("[data-none-right]") || !target.checked) return;
  all("[data-mark]", target.closest("[data-ballot]")).forEach((each) => each.setAttribute("aria-pressed", false));
});
