"""An hour, or ten minutes, of everything that can go wrong, on the whole system, with a law to be kept at the end.

    .venv/bin/python -m tests.campaign [--minutes 60] [--seed 1] [--rate 3] [--instances 4]
        [--pairs] [--only TEXT ...] [--containers] [--json FILE] [--page FILE]

With ``--containers`` the services of docker/compose.yml run, from their images; it needs root, buildah and runc.
The exit status is 1 where the law was broken. docs/campaign.md says what is done, and what came of it.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

from app.settings import Settings
from tasks.engine import load
from tests.campaign import law, report
from tests.campaign.containers import Containers
from tests.campaign.gauges import Gauges
from tests.campaign.ledger import Ledger
from tests.campaign.load import Load
from tests.campaign.page import page
from tests.campaign.pictures import pictures
from tests.campaign.plan import Plan, run
from tests.campaign.system import System
from tests.campaign.weather import Weather
from tests.conftest import models

# Calm between two troubles, in seconds; and how long the system has at the end to finish, and to be at rest.
CALM_S = (10.0, 25.0)
FINISH_S, REST_S = 900.0, 300.0


def main() -> int:
    """Run one campaign; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=3.0, help="images a second in the mean, all clients together")
    parser.add_argument("--instances", type=int, default=4, help="workers at most")
    parser.add_argument("--pairs", action="store_true", help="two faults at once from the beginning")
    parser.add_argument("--only", nargs="+", default=[], help="faults whose names hold one of these texts")
    parser.add_argument("--containers", action="store_true", help="the services of docker/compose.yml, in containers")
    parser.add_argument("--folder", type=Path, help="where it all lives; a temporary one, removed, unless told")
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--page", type=Path, help="write the page there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="elastiq-campaign-") as temporary:
        found = campaign(options, options.folder or Path(temporary) / "campaign")
    text = json.dumps(found, indent=1)
    if options.json:
        options.json.write_text(text)
    if options.page:
        options.page.write_text(page(found))
    print(
        json.dumps(
            {key: found[key] for key in ("minutes", "seed", "kept", "images", "left", "repeats", "recovery")}, indent=1
        )
    )
    return 0 if found["kept"] else 1


def campaign(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Run it in ``folder``, and return the report."""
    settings = Settings.from_environment({"ELASTIQ_MODEL_DIR": str(models())})
    engine = load(config=settings)
    files = pictures(lambda content: engine.classify(content)[0].label)
    labels = {file.name: file.label for file in files if file.label}
    chance = random.Random(options.seed)
    folder.mkdir(parents=True)
    made = Containers if options.containers else System
    system = made(
        folder, models(), lambda target: Weather(target, chance),
        ELASTIQ_MAX_INSTANCES=str(options.instances), ELASTIQ_IDLE_SECONDS="20", ELASTIQ_TARGET_SECONDS="30",
    )  # fmt: skip
    ledger, began = Ledger(folder / "ledger.jsonl"), time.time()
    load_, gauges = Load(system, ledger, files, options.rate, options.seed), Gauges(system)
    troubles = []
    try:
        system.start()
        gauges.start()
        load_.start()
        plan = Plan(options.seed, options.minutes * 60, CALM_S, tuple(options.only), options.pairs)
        for trouble in run(system, plan, lambda text: _tell(began, text)):
            troubles.append(trouble)
        _tell(began, "no more comes; what was accepted is finished")
        waited = load_.stop(FINISH_S)
        rest = _rest(system, ledger, gauges)
        gauges.stop()
        verdict = law.judge(system, ledger.read(), labels)
    finally:
        took = system.stop()
        ledger.close()
    return report.made(
        options, began, verdict, troubles, gauges.samples,
        rest={**rest, "clients": waited, "processes": system.left()}, stops=took, sent=load_.sent.images,
        starts={part.name: part.starts for part in system.parts}, met=system.weather.met,
        stored=system.weather.stored,
    )  # fmt: skip


def _rest(system: System, ledger: Ledger, gauges: Gauges) -> dict[str, object]:
    """Wait until all that was accepted has an outcome, and then until nothing is left; say what was."""
    deadline = time.monotonic() + FINISH_S
    while (missing := law.outstanding(system, ledger.read())) and time.monotonic() < deadline:
        time.sleep(2)
    deadline = time.monotonic() + REST_S
    while time.monotonic() < deadline:
        last = gauges.look()
        if not any(last.depth) and last.workers <= system.STAY and not gauges.orphans():
            break
        time.sleep(2)
    return {"without_outcome": len(missing), "messages": sum(last.depth), "dead_letters": last.dead,
            "workers": max(0, last.workers - system.STAY), "listeners": gauges.orphans()}  # fmt: skip


def _tell(began: float, text: str) -> None:
    print(f"{time.time() - began:6.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
