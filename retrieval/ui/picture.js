// --- a picture as the query: upload, drop, paste, camera, or a row of the gallery --------------
const LARGEST = 20e6;

function show(row, crop) {
  forget();
  state.row = row;
  if (crop) state.crop = crop.split(",").map(Number);
  const version = find(".over")?.dataset.version ?? "";
  chipped(`thumb/${encodeURIComponent(gallery.value)}/${row}?v=${version}`);
}

let sending; // the upload whose picture is wanted once it is there

function forget() {
  sending = undefined;
  if (state.url) URL.revokeObjectURL(state.url);
  Object.assign(state, { row: null, file: null, url: "", crop: null });
  chip.hidden = true;
}

function chipped(source) {
  find("img", chip).src = source;
  chip.hidden = false;
  chip.classList.toggle("cropped", Boolean(state.crop));
  text.value = "";
}

async function give(file) {
  if (!file) return;
  if (!file.type.startsWith("image/")) return void (say.textContent = `${file.name} is no picture; give a JPEG, PNG or WebP.`);
  if (file.size > LARGEST) return void (say.textContent = `The picture has ${Math.round(file.size / 1e6)} MB; at most ${LARGEST / 1e6} MB are read.`);
  const mine = (sending = {});
  try {
    const { path } = await upload(file);
    if (sending !== mine) return; // something else was given or asked meanwhile
    forget();
    state.file = { path };
    state.url = URL.createObjectURL(file);
    chipped(state.url);
    if (views.tab !== "search") open("search");
    ask();
  } catch (error) {
    if (sending === mine) say.textContent = `The upload failed: ${error.message ?? error}. Try again.`;
  }
}

const input = find("#file", element);
on(find("#upload", element), "click", () => input.click());
on(input, "change", () => (give(input.files[0]), (input.value = "")));
on(find("#drop", element), "click", () => (forget(), text.focus()));
on(document, "paste", (event) => {
  const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
  if (file) (event.preventDefault(), give(file));
});
on(document, "dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dropping");
});
on(document, "dragleave drop", (event) => {
  if (event.type === "dragleave" && event.relatedTarget) return;
  document.body.classList.remove("dropping");
});
on(document, "drop", (event) => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  give(event.dataTransfer.files[0]);
});

// --- camera ------------------------------------------------------------------------------------
const snap = find("#snap", element);
const video = find("video", snap);
on(find("#camera", element), "click", async () => {
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    snap.showModal();
  } catch {
    say.textContent = "The browser gives no camera here; upload a picture instead.";
  }
});
on(snap, "close", () => (video.srcObject?.getTracks().forEach((track) => track.stop()), (video.srcObject = null)));
on(find("[data-close]", snap), "click", () => snap.close());
on(find("[data-shoot]", snap), "click", () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => (snap.close(), blob && give(new File([blob], "camera.jpg", { type: "image/jpeg" }))), "image/jpeg", 0.92);
});
