
// --- figures that stand in the page, as CSV or JSON, with their licences --------------------------
function save(parts, type, name) {
  const url = URL.createObjectURL(parts instanceof Blob ? parts : new Blob([parts], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A title as a file's name. */
const filed = (title, kind) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "")}.${kind}`;

/** A cell that no spreadsheet takes for a formula. */
function cell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function csv({ columns, rows, licences }) {
  const weights = Object.entries(licences.weights).map(([name, words]) => `${name}: ${words}`).join(" · ");
  const lines = rows.map((row) => [...row, licences.gallery, weights]);
  return [[...columns, "gallery_licence", "weights_licence"], ...lines].map((line) => `${line.map(cell).join(",")}\n`).join("");
}

function json({ columns, rows, ...about }) {
  const named = rows.map((row) => Object.fromEntries(columns.map((name, at) => [name, row[at]])));
  return JSON.stringify({ ...about, taken: new Date().toISOString(), rows: named }, null, 1);
}

clicks["[data-take]"] = async (it) => {
  const given = it.closest("[data-figures]").dataset.figures;
  const figures = given.startsWith("{") ? JSON.parse(given) : await fetch(given).then((answer) => answer.json(), () => ({ problem: "the server gives no figures now; try again in a moment" }));
  if (figures.problem) return void (say.textContent = sentence(figures.problem));
  if (it.dataset.take === "csv") save(csv(figures), "text/csv", filed(figures.title, "csv"));
  else save(json(figures), "application/json", filed(figures.title, "json"));
};
