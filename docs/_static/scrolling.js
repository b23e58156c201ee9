/* Blocks and tables that are wider than the window scroll with the arrow keys, in every browser. */
function focusWide() {
  for (const one of document.querySelectorAll("article pre, article .table-wrapper")) {
    if (one.scrollWidth > one.clientWidth) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}

addEventListener("DOMContentLoaded", focusWide);
addEventListener("resize", focusWide);
