
// --- the tab Choose: what was answered goes into the address, and the answer is drawn again ------
const NUMBERS = ["now", "later", "ms", "memory"];
const NEEDED = ["reads", "domain", "train", "languages", "commercial", "runs", "filters", "tenants", "updates", "database", ...NUMBERS];
const need = Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => NEEDED.includes(name)));

/** The answers as the server reads them: numbers as numbers; the page's own "commercial use" is one. */
const answered = () => ({
  ...(paid.checked ? { commercial: "yes" } : {}),
  ...Object.fromEntries(Object.entries(need).map(([name, value]) => [name, NUMBERS.includes(name) ? Number(value) : value])),
});

/** Forget answers that the server refuses, so that the form comes back; whether there were any. */
const unanswered = () => Object.keys(need).filter((name) => delete need[name]).length > 0;

/** Open panels in the search, asked with a row or a part of it where the query is a picture. */
function opening({ dataset }) {
  state.panels = JSON.parse(dataset.open);
  if (dataset.askRow !== undefined) {
    forget();
    show(Number(dataset.askRow), dataset.askCrop);
  }
  open("search");
  ask();
  scrollTo({ top: 0 });
}

on(document, "change", ({ target }) => {
  if (!target.closest?.("#choose [data-piece=head]") || !NEEDED.includes(target.name)) return;
  if (target.type === "number" && (target.value === "" || !target.checkValidity())) return void target.reportValidity();
  need[target.name] = target.value;
  halt("choose");
  remember(address());
  draw("choose", "answer");
});
Object.assign(clicks, { "[data-open]": opening, "[data-goto]": (it) => open(it.dataset.goto, true) });
