"use strict";
// A click on a heading sorts its table by that column; a second click turns the order round.
for (const head of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const table = head.closest("table");
    const place = head.cellIndex;
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => {
      const cell = row.cells[place];
      const text = cell.textContent.trim();
      return cell.classList.contains("number") && text ? parseFloat(text.replace(/,/g, "")) : text;
    };
    const compare = (one, other) => {
      const [a, b] = [value(one), value(other)];
      if (typeof a === "number" && typeof b === "number") return down ? b - a : a - b;
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      return down ? b.localeCompare(a) : a.localeCompare(b);
    };
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort(compare));
  });
}
// A link into a part that is folded opens it.
const unfold = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") {
    target.open = true;
    target.scrollIntoView();
  }
};
addEventListener("hashchange", unfold);
unfold();
