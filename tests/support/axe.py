"""What axe-core, and our own eyes on the layout, find wrong with a page in a real browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

SCRIPT = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"

# WCAG 2.2 up to AA and axe's own advice; of the rules that are off unless asked for, those that hold of any page.
OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"],
    "rules": {"label-content-name-mismatch": {"enabled": True}, "target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}


def script() -> str:
    """Return axe-core, which npm fetches; where it has not, skip the test, or fail it where everything has to run."""
    if not SCRIPT.exists():
        missing = "axe-core is missing: make check has npm fetch it"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    return SCRIPT.read_text()


def faults(page: Page) -> list[str]:
    """Return what is wrong with ``page`` as it stands: axe-core's violations, and what is out of reach or cut off."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    found: list[dict[str, Any]] = page.evaluate("(options) => axe.run(options).then((r) => r.violations)", OPTIONS)
    told = [
        f"{rule['id']}: {node['target']} {node['failureSummary']} {node['html'][:200]}"
        for rule in found
        for node in rule["nodes"]
    ]
    return told + [str(fault) for fault in page.evaluate(LAYOUT)]


# What lies beside the window, is wider or higher than its box, or reaches into what is below it.
LAYOUT = """() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide of ${root.clientWidth}`);
  const told = (node) => `${node.tagName} #${node.id} .${node.className} "${node.textContent.trim().slice(0, 40)}"`;
  const texts = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) if (walker.currentNode.data.trim()) texts.add(walker.currentNode.parentElement);
  for (const node of new Set([...texts, ...document.querySelectorAll("a, button, input, select")])) {
    const box = node.getBoundingClientRect();
    const { position, clipPath } = getComputedStyle(node);
    if (!node.checkVisibility({ visibilityProperty: true }) || !box.width) continue;
    if (position === "absolute" && clipPath !== "none") continue;
    if (node.closest(".skip, .unseen, svg, .labels")) continue;
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`beside the window: ${told(node)}`);
    const ellipsis = (at) => {
      const style = getComputedStyle(at);
      return style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
    };
    for (let at = node; at && at !== root; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (ellipsis(at)) break;
      if (/auto|scroll/.test(style.overflowX + style.overflowY)) break;
      const outer = at.getBoundingClientRect();
      const cut = style.overflowX !== "visible" || style.overflowY !== "visible" || at.matches(".tile");
      if (cut && (box.right > outer.right + 1 || box.bottom > outer.bottom + 1)) faults.push(`cut off: ${told(node)}`);
    }
  }
  const tiles = [...document.querySelectorAll(".tile")].map((tile) => tile.getBoundingClientRect());
  for (const [index, tile] of [...document.querySelectorAll(".tile")].entries())
    for (const inner of tile.querySelectorAll(".label, .score, .frame"))
      if (inner.checkVisibility() && inner.getBoundingClientRect().bottom > tiles[index].bottom + 1)
        faults.push(`below its tile: ${told(inner)}`);
  return [...new Set(faults)];
}"""
