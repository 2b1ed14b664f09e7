"""What an image costs beside others, as a picture: a bar for each row of README's table, of one run of peers.py.

    .venv/bin/python tests/benchmarks/_peers_chart.py docs/peers.json docs/peers.svg

The first file has what ``peers.py --json`` printed; the one in docs is rounded as README's table is.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = {
    "elastiq": "Elastiq",
    "litserve_tuned": "LitServe, tuned",
    "ray_tuned": "Ray Serve, tuned",
    "litserve_as_served": "LitServe, as served",
    "ray_as_served": "Ray Serve, as served",
}
WIDTH, LEFT, TOP, STEP, BAR = 420, 150, 34, 30, 20
OURS, THEIRS = "#1f5f9e", "#9bbad6"


def svg(figures: Mapping[str, Any]) -> str:
    """Return the picture: bars of core-milliseconds an image, with images a second and seconds to the first result."""
    most = max(figures[name]["core_ms_per_image"] for name in NAMES)
    height = TOP + STEP * len(NAMES) + 6
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 290} {height}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="18" fill="#222222">core-milliseconds an image; images a second; start to result</text>',
    ]
    for row, (name, title) in enumerate(NAMES.items()):
        top, of = TOP + STEP * row, figures[name]
        length = WIDTH * of["core_ms_per_image"] / most
        said = f"{of['core_ms_per_image']:g}; {of['images_per_s']:g}/s; {of['start_to_first_result_s']:g} s"
        parts += [
            f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end" fill="#222222">{title}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{THEIRS if row else OURS}"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{top + 15}" fill="#222222">{said}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(svg(json.loads(Path(sys.argv[1]).read_text())))
