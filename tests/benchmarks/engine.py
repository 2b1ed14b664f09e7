"""What the engine costs on this machine: ``.venv/bin/python tests/benchmarks/engine.py --json``.

CPU time, not wall time: core-milliseconds per image, so a busy machine disturbs the figures little. Each part runs in
a process of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from _photographs import encoded, large_jpeg, progressive_jpegs, small_jpegs  # noqa: E402

from app.errors import ConfigurationError  # noqa: E402
from app.images.check import open_header  # noqa: E402
from app.process import logs  # noqa: E402
from app.settings import settings  # noqa: E402
from tasks.engine import load  # noqa: E402
from tasks.engine.artifact import Preprocessing  # noqa: E402
from tasks.engine.decode import decode, region  # noqa: E402
from tasks.engine.openvino_runner import OpenVinoRunner  # noqa: E402
from tasks.engine.resize import resize  # noqa: E402
from tests.support import photographs  # noqa: E402

THREADS = 8


def main() -> None:
    arguments = _arguments()
    logs.configure("auto")
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments)))
        return
    subprocess.run([sys.executable, "-m", "tasks.engine", "build"], cwd=ROOT, check=True)
    figures: dict[str, Any] = {"benchmark": "engine"}
    for part in PARTS:
        print(f"{part} ...", file=sys.stderr)
        figures |= _part(part, sys.argv[1:])
    print(json.dumps(figures, indent=None if arguments.json else 2))


def cost(arguments: argparse.Namespace) -> dict[str, Any]:
    """Core-milliseconds of decoding, of running and of both, with eight images in hand; and of a large photograph."""
    engine = load()
    jpegs = small_jpegs()
    pixels = [decode(jpeg, engine.preprocessing, max_pixels=10**8) for jpeg in jpegs]
    large = large_jpeg()
    return {
        "processor": engine.runner.runtime.partition(" on ")[2],
        "cores": len(os.sched_getaffinity(0)),
        "runtime": engine.runner.runtime.partition(" on ")[0],
        "precision": engine.runner.precision,
        "model": engine.name,
        "decode_core_ms": _core_ms(lambda jpeg: decode(jpeg, engine.preprocessing, max_pixels=10**8), jpegs, arguments),
        "run_core_ms": _core_ms(engine.runner.run, pixels, arguments),
        "decode_and_run_core_ms": _core_ms(engine.classify, jpegs, arguments),
        "photograph_12mp_core_ms": _core_ms(engine.classify, [large], arguments, share=0.1),
        "decode_breakdown_core_ms": _decode_breakdown(jpegs, large, engine.preprocessing, arguments),
    }


def _decode_breakdown(
    jpegs: list[bytes], large: bytes, how: Preprocessing, arguments: argparse.Namespace
) -> dict[str, float]:
    """Return what the parts of decoding cost in one thread; `at_an_eighth` is the least for a large photograph."""

    def opened(jpeg: bytes) -> Image.Image:
        return open_header(io.BytesIO(jpeg), max_pixels=10**8)

    def loaded(jpeg: bytes) -> Image.Image:
        image = opened(jpeg)
        image.load()
        return image

    def at_an_eighth(jpeg: bytes) -> None:
        image = Image.open(io.BytesIO(jpeg))
        image.draft(None, (image.width // 8, image.height // 8))
        image.load()

    def resized(image: Image.Image) -> Image.Image:
        return resize(image, *region(image.size, how), how.interpolation)

    parts: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "judge_and_open": (opened, jpegs),
        "judge_open_and_load": (loaded, jpegs),
        "resize": (resized, [loaded(jpeg) for jpeg in jpegs]),
        "all": (lambda jpeg: decode(jpeg, how, max_pixels=10**8), jpegs),
        "progressive": (lambda jpeg: decode(jpeg, how, max_pixels=10**8), progressive_jpegs()),
        "large_at_an_eighth": (at_an_eighth, [large]),
        "large_all": (lambda jpeg: decode(jpeg, how, max_pixels=10**8), [large]),
    }
    return {
        part: _core_ms(work, items, arguments, share=0.1 if len(items) == 1 else 0.4, threads=1)
        for part, (work, items) in parts.items()
    }


def precisions(arguments: argparse.Namespace) -> dict[str, Any]:
    """What each precision that this processor has costs to run, one image at a time and two, and what it answers.

    Views are of the labelled photographs, of which the build has seen none.
    """
    folder = settings().models / settings().engine.model
    engine = load()
    truth, views = labelled_views(arguments.views)
    pixels = [decode(view, engine.preprocessing, max_pixels=10**8) for view in views]
    rows: dict[str, Any] = {}
    exact: list[int] = []
    for precision in ("fp32", "fp16", "bf16", "int8"):
        try:
            runner = OpenVinoRunner(folder, precision)
        except ConfigurationError as err:
            rows[precision] = str(err)
            continue
        with ThreadPoolExecutor(THREADS) as threads:
            answers = [int(scores.argmax()) for scores in threads.map(runner.run, pixels)]
        exact = exact or answers
        costs = {f"run_core_ms_{n}": _core_ms(runner.run, pixels, arguments, share=0.4, threads=n) for n in (1, 2)}
        rows[precision] = costs | {
            "top1_of_views": _share(answers, truth),
            "same_top_label_as_fp32": _share(answers, exact),
        }
    return {"precisions": rows, "taken": engine.runner.precision, "views": len(views)}


def start(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds from the start of a bare process to its first result."""
    code = "import sys; from tasks.engine import load; load().classify(sys.stdin.buffer.read())"
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], input=small_jpegs()[0], cwd=ROOT, check=True, stdout=sys.stderr)
        took.append(time.perf_counter() - began)
    return {"start_to_first_result_s": round(min(took), 2)}


def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    """Resident megabytes after a tenth of the images and after all."""
    engine, jpegs, process = load(), small_jpegs(), psutil.Process()
    resident: dict[str, Any] = {}
    step = max(THREADS, arguments.images // 100)
    with ThreadPoolExecutor(THREADS) as threads:
        for done in range(step, arguments.images + 1, step):
            # In steps, so that what is waiting and what came of it does not count.
            list(threads.map(engine.classify, _cycled(jpegs, step)))
            if done in (10 * step, 100 * step):
                resident[f"resident_mb_after_{done}"] = round(process.memory_info().rss / 1e6)
    return resident


def torch(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same model as usually served by torch, its cost here, and how often the engine says the same."""
    import torch

    from tasks.engine.export import reference
    from tasks.engine.models import define

    engine, definition = load(), define(settings().engine.model, settings())

    def usual(jpeg: bytes) -> int:
        image = Image.open(io.BytesIO(jpeg)).convert("RGB")
        how, short = definition.preprocessing, min(image.size)
        assert how.resize is not None
        assert how.crop is not None
        resized = image.resize(
            (int(how.resize * image.width / short), int(how.resize * image.height / short)), Image.Resampling.BICUBIC
        )
        left, top = round((resized.width - how.crop) / 2), round((resized.height - how.crop) / 2)
        pixels = np.asarray(resized.crop((left, top, left + how.crop, top + how.crop)))
        return int(reference(definition, pixels[np.newaxis].copy())[0].argmax())

    truth, views = labelled_views(arguments.views)
    labelled = [(path.read_bytes(), _label(path)) for path in photographs.labelled()]
    theirs = [usual(view) for view in views]
    ours = [engine.labels.index(engine.classify(view)[0].label) for view in views]
    return {
        "torch": torch.__version__,
        "torch_decode_and_run_core_ms": _core_ms(usual, small_jpegs(), arguments, share=0.3, threads=1),
        "labelled_photographs": len(labelled),
        "top1_labelled": sum(engine.classify(jpeg)[0].label == engine.labels[label] for jpeg, label in labelled),
        "torch_top1_labelled": sum(usual(jpeg) == label for jpeg, label in labelled),
        "views": len(views),
        "top1_of_views": _share(ours, truth),
        "torch_top1_of_views": _share(theirs, truth),
        "same_top_label_as_torch": _share(ours, theirs),
    }


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "cost": cost,
    "precisions": precisions,
    "start": start,
    "memory": memory,
    "torch": torch,
}


def labelled_views(count: int) -> tuple[list[int], list[bytes]]:
    """Return so many views of each labelled photograph, as JPEG, and before them their classes."""
    paths = photographs.labelled()
    views = [view for path in paths for view in _views(path.read_bytes(), count)]
    return [_label(path) for path in paths for _ in range(count)], views


def _label(path: Path) -> int:
    return int(path.stem.rsplit("_", 1)[1])


def _views(jpeg: bytes, count: int) -> Iterable[bytes]:
    """Yield parts of a photograph, 0.7 to 1 of its sides, here and there; the same at each call."""
    image, chance = Image.open(io.BytesIO(jpeg)).convert("RGB"), np.random.default_rng(0)
    for _ in range(count):
        width, height = (int(side * chance.uniform(0.7, 1)) for side in image.size)
        left, top = int(chance.integers(image.width - width + 1)), int(chance.integers(image.height - height + 1))
        yield encoded(image.crop((left, top, left + width, top + height)))


def _core_ms(
    work: Callable[[Any], object],
    items: list[Any],
    arguments: argparse.Namespace,
    *,
    share: float = 1.0,
    threads: int = THREADS,
) -> float:
    """Return the median of ten rounds' CPU milliseconds per item, with ``threads`` items in hand."""
    each = max(threads, int(arguments.images * share / 10))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, _cycled(items, threads)))
        rounds = []
        for _ in range(10):
            began = time.process_time()
            list(pool.map(work, _cycled(items, each)))
            rounds.append((time.process_time() - began) / each)
    return round(1000 * statistics.median(rounds), 2)


def _cycled(items: list[Any], count: int) -> list[Any]:
    return [items[number % len(items)] for number in range(count)]


def _share(some: list[int], others: list[int]) -> float:
    return round(sum(one == other for one, other in zip(some, others, strict=True)) / len(some), 4)


def _part(part: str, arguments: list[str], **variables: str) -> dict[str, Any]:
    command = [sys.executable, __file__, *arguments, "--part", part]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one line")
    parser.add_argument("--images", type=int, default=1000, help="images in each measurement; memory: in all")
    parser.add_argument("--views", type=int, default=20, help="views of each labelled photograph")
    parser.add_argument("--part", choices=list(PARTS), help="print the figures of this part alone")
    return parser.parse_args()


if __name__ == "__main__":
    main()
