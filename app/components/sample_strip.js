export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  if (isLate(strip, data)) return;
  strip.setAttribute("aria-label", data.label);
  strip.classList.toggle("row", data.row);
  data.photos.forEach(({ name, label, thumbnail }, number) => {
    const button = strip.children[number] ?? strip.appendChild(newButton());
    const image = button.querySelector("img");
    if (image.src !== thumbnail) image.src = thumbnail;
    button.querySelector("span").textContent = button.title = label;
    button.dataset.sample = name;
    button.setAttribute("aria-pressed", String(name === data.chosen));
    button.onclick = () => setTriggerValue("picked", name);
  });
  while (strip.children.length > data.photos.length) strip.lastChild.remove();
}

function newButton() {
  const button = document.createElement("button");
  button.type = "button";
  button.innerHTML = '<img alt=""><span></span>';
  return button;
}
