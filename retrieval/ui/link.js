// --- copying the address -------------------------------------------------------------------
function link(query) {
  const space = find("#ask").dataset.space;
  const framed = space && parent !== window;
  return framed ? `https://huggingface.co/spaces/${space}${query}` : `${location.origin}${location.pathname}${query}`;
}

async function copy(button) {
  const whole = link(location.search);
  const said = state.file ? "Copied, without your picture" : "Copied";
  try {
    await navigator.clipboard.writeText(whole);
    say.textContent = said;
  } catch {
    const field = Object.assign(document.createElement("textarea"), { value: whole });
    document.body.append(field);
    field.select();
    say.textContent = document.execCommand("copy") ? said : whole;
    field.remove();
  }
  button.focus();
}
