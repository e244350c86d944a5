// The photo's part that a component shows.

function drawPhoto(root, data) {
  const frame = root.querySelector(".frame");
  frame.style.setProperty("--w", data.width);
  frame.style.setProperty("--h", data.height);
  const shape = Math.ceil((4 * data.width) / data.height) / 4;
  root.style.setProperty("--shape", Math.min(Math.max(shape, 0.75), 4));
  const image = frame.querySelector("img");
  if (image.src !== data.photo) image.src = data.photo;
}

