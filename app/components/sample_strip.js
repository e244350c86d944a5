export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  data.photos.forEach(({ name, thumbnail }, number) => {
    const button = strip.children[number] ?? strip.appendChild(newButton());
    const image = button.querySelector("img");
    if (image.src !== thumbnail) image.src = thumbnail;
    button.querySelector("span").textContent = name.replaceAll("_", " ");
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
