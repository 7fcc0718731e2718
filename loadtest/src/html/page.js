"use strict";
// Values under the pointer or the arrow keys, read from the table beside each plot. The page says all of it without this.
for (const figure of document.querySelectorAll("figure.plot")) {
  const area = figure.querySelector(".drawing");
  const cross = figure.querySelector(".cross");
  const readout = figure.querySelector("output");
  const rows = Array.from(figure.querySelectorAll("tr[data-x]"));
  if (rows.length === 0) continue;
  const heads = Array.from(figure.querySelectorAll("thead th"), (head) => head.textContent);
  const places = rows.map((row) => Number(row.dataset.x));
  let shown = -1;
  const show = (at) => {
    shown = at;
    const cells = Array.from(rows[at].cells, (cell) => cell.textContent);
    const values = cells.slice(1).map((value, column) => heads[column + 1] + " " + value);
    readout.textContent = heads[0] + " " + cells[0] + ": " + values.join(", ");
    const x = (100 * places[at]).toFixed(2) + "%";
    cross.setAttribute("x1", x);
    cross.setAttribute("x2", x);
    cross.classList.add("shown");
  };
  const hide = () => {
    cross.classList.remove("shown");
    readout.textContent = "";
  };
  const nearest = (x) => {
    const distances = places.map((place) => Math.abs(place - x));
    return distances.indexOf(Math.min(...distances));
  };
  area.addEventListener("pointermove", (event) => {
    const box = area.getBoundingClientRect();
    show(nearest((event.clientX - box.left) / box.width));
  });
  area.addEventListener("pointerleave", hide);
  area.addEventListener("keydown", (event) => {
    const last = rows.length - 1;
    const to = { ArrowRight: shown + 1, ArrowLeft: shown - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(Math.max(0, Math.min(last, to)));
  });
  area.addEventListener("blur", hide);
  area.tabIndex = 0;
  area.setAttribute("role", "group");
  area.setAttribute("aria-label", figure.querySelector("strong").textContent + ": arrow keys read its values");
  figure.classList.add("ready");
}
