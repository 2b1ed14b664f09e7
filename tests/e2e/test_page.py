"""The page, as people use it, in a real browser with a real worker behind it."""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from app.domain import Classification, Failure, Prediction
from app.local import EmbeddedCloud
from tests.e2e.conftest import working
from tests.support import photographs
from tests.support.fault_proxy import FaultProxy
from tests.support.waiting import wait_for
from tests.support.web import Site, key_path

pytestmark = pytest.mark.browser

CATS = re.compile("tabby|tiger cat|Egyptian cat")
CAT, COFFEE = photographs.chelsea(), photographs.coffee()

Visit = Callable[..., Page]
Serve = Callable[..., Site]


def file(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": data}


def drop(page: Page, *files: tuple[str, bytes]) -> None:
    """Drop files on the page, as a drag from the desktop does."""
    transfer = page.evaluate_handle(
        """(files) => {
            const transfer = new DataTransfer();
            for (const [name, data] of files)
                transfer.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
            return transfer;
        }""",
        [[name, base64.b64encode(data).decode()] for name, data in files],
    )
    for kind in ("dragenter", "dragover", "drop"):
        page.dispatch_event("main", kind, {"dataTransfer": transfer, "bubbles": True})


def tile(page: Page, name: str) -> Locator:
    return page.locator(".tile").filter(has=page.locator(".name", has_text=re.compile(f"^{re.escape(name)}$")))


def tally(page: Page) -> Locator:
    return page.locator(".tally")


def width(place: Locator) -> int:
    """Return the width of the picture in there, in its own pixels; 0 while none is shown."""
    return int(place.locator("img").evaluate("(image) => image.naturalWidth"))


def test_photographs_dropped_on_the_page_get_their_labels_without_a_reload(stack: Site, visit: Visit) -> None:
    page = visit(stack.url)
    page.evaluate("window.mark = 1")
    drop(page, ("chelsea.png", CAT), ("coffee.png", COFFEE))
    expect(tile(page, "chelsea.png").locator(".label")).to_have_text(CATS)
    expect(tile(page, "coffee.png").locator(".label")).to_have_text("espresso")
    expect(tile(page, "coffee.png").locator(".score")).to_have_text(re.compile(r"^\d+%$"))
    expect(tally(page)).to_have_text("2 images")
    assert page.evaluate("window.mark") == 1
    tile(page, "coffee.png").click()
    life = page.locator("#detail .life li")
    expect(life.last).to_have_text(re.compile(r"^shown here[\d.< ]+m?s$"))
    steps = [text.split(" by ")[0] for text in life.locator("span:first-child").all_inner_texts()]
    worked = ["received", "fetched", "decoded", "run", "stored"]
    assert steps == ["uploaded", "queued", *worked, "announced", "shown here"]
    assert re.fullmatch(rf"{stack.url}/batches/\d{{8}}T\d{{9}}Z-[0-9a-f]{{8}}", page.url)


def test_a_chosen_folder_keeps_its_paths(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    site = serve()
    for path, data in {"2024/1.png": CAT, "2023/1.png": COFFEE, "2023/notes.txt": b"", "x.psd": b""}.items():
        (tmp_path / "trip" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "trip" / path).write_bytes(data)
    page = visit(site.url)
    # What is said goes again after a while, which may be before anybody looks.
    page.locator("#toast").evaluate(
        """(toast) => {
            new MutationObserver(() => { window.said ??= toast.textContent; }).observe(toast, { childList: true });
        }"""
    )
    page.set_input_files("#folder", tmp_path / "trip")
    page.wait_for_function("window.said === '2 files are not named like an image, and left out: 1 .psd, 1 .txt.'")
    expect(page.locator(".tile .name")).to_have_text(["1.png", "1.png"])
    wait_for(lambda: site.queued() == 2, 30)
    page.wait_for_url("**/batches/*")
    id = page.url.rpartition("/")[2]
    assert site.keys(id) == [f"{id}/trip/2023/1.png", f"{id}/trip/2024/1.png"]
    assert site.storage.get_image(f"{id}/trip/2023/1.png") == COFFEE
    page.reload()
    spoken = page.locator(".tile button")
    expect(spoken.first).to_have_attribute("aria-label", "trip/2023/1.png: waiting")
    assert width(page.locator(".tile").first) or wait_for(lambda: width(page.locator(".tile").first), 30)
    expect(page.locator("#files")).to_have_attribute("accept", re.compile(r"image/\*.*\.heic"))


def test_photographs_of_one_name_in_two_folders_get_their_own_labels(stack: Site, visit: Visit, tmp_path: Path) -> None:
    for year, data in (("2023", CAT), ("2024", COFFEE)):
        (tmp_path / "trip" / year).mkdir(parents=True)
        (tmp_path / "trip" / year / "1.png").write_bytes(data)
    page = visit(stack.url)
    page.set_input_files("#folder", tmp_path / "trip")
    expect(tally(page)).to_have_text("2 images")
    cat, coffee = page.locator(".tile button").all()
    expect(cat).to_have_attribute("aria-label", re.compile(rf"^trip/2023/1\.png: ({CATS.pattern}), \d+%$"))
    expect(coffee).to_have_attribute("aria-label", re.compile(r"^trip/2024/1\.png: espresso, \d+%$"))
    coffee.press("Enter")
    expect(page.locator("#detail .filename")).to_have_text("trip/2024/1.png")


def test_while_no_worker_comes_the_page_says_what_it_waits_for(serve: Serve, visit: Visit) -> None:
    page = visit(serve().url)
    drop(page, ("chelsea.png", CAT))
    pace = page.locator("#pace")
    expect(pace).to_have_text(re.compile("^waiting: no worker is heard; the autoscaler has not been heard for"))


def test_a_batch_s_address_shows_it_again_with_pictures_and_the_start_page_remembers_it(
    stack: Site, visit: Visit
) -> None:
    page = visit(stack.url)
    page.set_input_files("#files", [file("chelsea.png", CAT), file("text.jpg", b"no photograph")])
    expect(tally(page)).to_have_text("2 images")
    page.reload()
    expect(tile(page, "chelsea.png").locator(".label")).to_have_text(CATS)
    wait_for(lambda: width(tile(page, "chelsea.png")) == 400, 20)
    expect(tile(page, "text.jpg").locator(".label")).to_contain_text("not an image")
    page.goto(stack.url)
    wait_for(lambda: width(page.locator(".recent")) == 400, 20)
    page.locator(".recent a").first.click()
    expect(tally(page)).to_have_text("2 images")
    assert page.locator(".recent img").count() == 0


def test_failures_show_their_reasons_among_good_photographs_and_hostile_names_do_nothing(
    stack: Site, visit: Visit
) -> None:
    hostile, legal = '../../x"><script>alert(1)</script>.jpg', '"><img src=x onerror=alert(1)>.png'
    bad = {
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"I am no photograph", "not an image"),
        "bomb.png": (photographs.bomb(), "200 megapixels"),
        "cut.png": (CAT[:50_000], "image"),
        hostile: (CAT, "must not hold a path"),
    }
    good = [(path.name, path.read_bytes()) for path in photographs.labelled()[:19]] + [(legal, CAT)]
    page = visit(stack.url)
    page.set_input_files("#files", [file(name, data) for name, data in good])
    page.set_input_files("#files", [file(name, data) for name, (data, _) in bad.items()])
    expect(tally(page)).to_have_text("25 images")
    for again in (False, True):
        if again:
            page.reload()
            expect(tally(page)).to_have_text("25 images")
        expect(page.locator('[data-show="done"] b')).to_have_text("20")
        expect(page.locator('[data-show="failed"] b')).to_have_text("5")
        expect(tile(page, legal).locator(".label")).to_have_text(CATS)
        page.locator('[data-show="failed"]').click()
        expect(page.locator(".tile")).to_have_count(5)
        reasons = page.locator(".tile .label").all_inner_texts()
        for _, reason in bad.values():
            assert any(reason in text for text in reasons), (reason, reasons)
        assert page.locator(".tile script, .tile [onerror]").count() == 0
    # `visit` fails the test if any of them opened a dialog or broke a script.


def test_who_is_sent_the_address_sees_the_labels_as_they_come(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE)])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    other = visit(page.url, color_scheme="dark")
    expect(other.locator('.tile[data-state="waiting"]')).to_have_count(2)
    page.locator("#files").set_input_files([file("late.png", CAT + b"\0")])
    expect(tile(other, "late.png")).to_have_attribute("data-state", "waiting")
    with working(site):
        for somebody in (page, other):
            expect(tile(somebody, "coffee.png").locator(".label")).to_have_text("espresso")
            expect(tile(somebody, "late.png").locator(".label")).to_have_text(CATS)
            expect(tally(somebody)).to_have_text("3 images")


def test_an_upload_outlives_a_network_that_fails_and_stores_no_image_twice(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    attempts: list[str] = []

    def fail_at_first(route: object, request: object) -> None:
        attempts.append("")
        if len(attempts) == 1:
            route.abort("connectionreset")  # type: ignore[attr-defined]
        elif len(attempts) == 2:
            route.fetch()  # type: ignore[attr-defined]  # it arrives, but its answer is lost
            route.abort("connectionreset")  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    page.route("**/images", fail_at_first)
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE)])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    assert len(attempts) == 3
    id = page.url.rsplit("/", 1)[-1]
    assert site.keys(id) == [f"{id}/chelsea.png", f"{id}/coffee.png"]


def test_files_that_could_not_be_uploaded_are_told_and_can_be_tried_again(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    page.route("**/images", lambda route: route.fulfill(status=400, body='{"detail": "no room"}'))
    page.set_input_files("#files", [file("chelsea.png", CAT), file("coffee.png", COFFEE)])
    expect(tile(page, "coffee.png").locator(".label")).to_have_text("could not be uploaded: no room")
    expect(page.locator("#trouble")).to_contain_text("2 could not be uploaded")
    page.unroute("**/images")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    expect(page.locator("#trouble")).to_be_hidden()


def test_an_upload_that_was_left_goes_on_when_the_same_folder_is_chosen_and_sends_only_the_rest(
    serve: Serve, visit: Visit, tmp_path: Path
) -> None:
    site = serve()
    folder = tmp_path / "trip"
    folder.mkdir()
    for n in range(40):
        (folder / f"{n:02d}.png").write_bytes((COFFEE if n == 5 else CAT) + bytes([n]))
    page = visit(site.url)
    uploads: list[str] = []

    def let_one_through(route: Route) -> None:
        uploads.append("")
        route.continue_() if len(uploads) == 1 else route.abort()

    page.route("**/images", let_one_through)
    page.set_input_files("#folder", folder)
    expect(page.locator('.tile[data-state="waiting"]').first).to_be_visible()
    page.get_by_role("button", name="Pause upload").click()
    expect(page.get_by_role("button", name="Go on uploading")).to_be_focused()
    stored = wait_for(lambda: len(site.all_keys()), 20)
    assert stored < 40
    address, browser = page.url, page.context
    page.close()  # as a browser that ends, which asks nobody
    page = browser.new_page()
    page.goto(address)
    expect(page.locator("#unsent")).to_contain_text(f"{40 - stored} files were not uploaded")
    page.set_input_files("#folder", folder)
    expect(page.locator("#toast")).to_have_text(f"{stored} of 40 are uploaded already.")
    expect(tally(page)).to_have_text("0 of 40")
    wait_for(lambda: len(site.all_keys()) == 40, 30)
    expect(page.get_by_role("button", name="Pause upload")).to_be_hidden()
    taken = site.logged("upload_taken")
    assert sum(line["files"] for line in taken) == 40, "no file was sent twice"
    expect(page.locator("#unsent")).to_be_hidden()
    # One's own files are drawn small, by a worker.
    wait_for(lambda: width(tile(page, "05.png")) == 480, 30)


def test_a_zip_is_unpacked_and_its_labels_are_narrowed_by_how_sure_they_are_and_counted(
    serve: Serve, visit: Visit
) -> None:
    site = serve()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"a.png": CAT, "b/c.png": COFFEE, "notes.txt": b"", "d.png": CAT + b"\0"}.items():
            archive.writestr(name, data)
    page = visit(site.url)
    drop(page, ("trip.zip", packed.getvalue()))
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(3)
    id = page.url.rpartition("/")[2]
    keys = [f"{id}/trip/a.png", f"{id}/trip/b/c.png", f"{id}/trip/d.png"]
    assert site.keys(id) == keys
    assert site.storage.get_image(keys[1]) == COFFEE
    for key, label, score in zip(keys, ("tabby", "cup", "tabby"), (0.95, 0.42, 0.61), strict=True):
        site.storage.save(Classification.of(key, [Prediction(label, score)], "none"))
    expect(tally(page)).to_have_text("3 images")
    page.get_by_text("Histograms").press("Enter")
    expect(page.locator("#histograms svg")).to_have_attribute(
        "aria-label", "How sure the labels are: 1 from 90 to 100%, 1 from 60 to 70%, 1 from 40 to 50%"
    )
    expect(page.locator("#histograms li")).to_have_text(["tabby2", "cup1"])
    slider = page.get_by_role("slider", name="Sure")
    for _ in range(12):
        slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "60% or more")
    expect(page.locator(".tile .label")).to_have_text(["tabby", "tabby"])
    page.locator("#arrange").select_option("sure")
    expect(page.locator(".tile .score")).to_have_text(["95%", "61%"])
    slider.press("Home")
    expect(page.locator(".tile .score")).to_have_text(["95%", "61%", "42%"])


def test_who_cancels_has_what_waits_dropped_and_takes_what_is_known_along_in_three_forms(
    serve: Serve, visit: Visit
) -> None:
    site = serve()
    page = visit(site.url)
    drop(page, ("a.png", CAT), ("b.png", COFFEE))
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    id = page.url.rpartition("/")[2]
    site.classify(f"{id}/a.png", "tabby")
    expect(tile(page, "a.png").locator(".label")).to_have_text("tabby")
    page.get_by_role("button", name="Cancel").press("Enter")
    expect(page.get_by_role("button", name="cancelled, b.png")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("1 of 2 classified, 1 cancelled")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Cancelled 1", exact=True).click()
    expect(page.locator(".tile")).to_have_count(1)
    page.locator('[data-show="all"]').click()
    for form in ("csv", "json", "jsonl"):
        with page.expect_download() as download:
            page.locator(f"#{form}").click()
        assert "tabby" in download.value.path().read_text()
    page.get_by_role("button", name="Go on", exact=True).press("Enter")
    expect(tile(page, "b.png")).to_have_attribute("data-state", "waiting")
    site.classify(f"{id}/b.png", "lynx")
    expect(tile(page, "b.png").locator(".label")).to_have_text("lynx")
    expect(page.get_by_role("button", name="Go on", exact=True)).to_be_hidden()
    page = visit(site.url)  # somebody who has never been here
    page.locator("#earlier a").click()
    expect(tile(page, "a.png").locator(".label")).to_have_text("tabby")


def test_what_failed_is_tried_again_and_a_batch_is_deleted_by_who_is_sure(serve: Serve, visit: Visit) -> None:
    site = serve()
    id = site.upload(("a.png", CAT))["id"]
    site.storage.save(Failure.of(f"{id}/a.png", "cut short"))
    page = visit(f"{site.url}/batches/{id}")
    expect(tile(page, "a.png").locator(".label")).to_have_text("cut short")
    page.get_by_role("button", name="Retry failed").press("Enter")
    expect(tile(page, "a.png")).to_have_attribute("data-state", "waiting")
    site.classify(f"{id}/a.png", "tabby")
    expect(tile(page, "a.png").locator(".label")).to_have_text("tabby")
    page.get_by_role("button", name="Delete…").press("Enter")
    expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Enter")
    assert site.batch(id)["counts"]["done"] == 1
    page.get_by_role("button", name="Delete…").press("Enter")
    page.get_by_role("button", name="Delete it").press("Enter")
    expect(page.get_by_role("heading", name="Drop a pile of photographs")).to_be_visible()
    wait_for(lambda: site.get(f"/api/batches/{id}").status == 404, 30)
    expect(page.locator(".recent li")).to_have_count(0)


def test_eight_tabs_of_a_batch_have_one_stream_and_go_on_when_the_one_that_has_it_is_closed(
    serve: Serve, visit: Visit
) -> None:
    site = serve()
    id = site.upload(("a.png", CAT), ("b.png", COFFEE), ("c.png", CAT + b"\0"))["id"]
    page = visit(f"{site.url}/batches/{id}")
    streams: list[str] = []
    page.context.on("request", lambda request: streams.append(request.url) if "/events" in request.url else None)
    page.reload()
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(3)
    streams.clear()
    others = [page.context.new_page() for _ in range(7)]
    for other in others:
        other.goto(page.url)
        expect(other.locator('.tile[data-state="waiting"]')).to_have_count(3)
    assert streams == []
    site.classify(f"{id}/a.png", "tabby")
    for tab in (page, *others):
        expect(tile(tab, "a.png").locator(".label")).to_have_text("tabby")
    page.close()
    site.classify(f"{id}/b.png", "lynx")
    for tab in others:
        expect(tile(tab, "b.png").locator(".label")).to_have_text("lynx")
    assert len(streams) == 1


def test_without_a_stream_to_be_had_the_page_polls(serve: Serve, visit: Visit) -> None:
    site = serve(ELASTIQ_WEB_THREADS="8")
    waiting = site.upload(("never.png", CAT))["id"]
    streams = [site.events(waiting) for _ in range(4)]
    page = visit(site.url)
    page.set_input_files("#files", [file("chelsea.png", CAT)])
    expect(tile(page, "chelsea.png")).to_have_attribute("data-state", "waiting")
    site.classify(f"{page.url.rsplit('/', 1)[-1]}/chelsea.png", "tabby")
    expect(tile(page, "chelsea.png").locator(".label")).to_have_text("tabby")
    for stream in streams:
        stream.close()


def test_a_folder_s_images_are_taken_and_what_is_left_out_is_said(serve: Serve, visit: Visit, tmp_path: Path) -> None:
    site = serve()
    folder = tmp_path / "holiday"
    (folder / "day 2").mkdir(parents=True)
    (folder / "cat.png").write_bytes(CAT)
    (folder / "day 2" / "cup.PNG").write_bytes(COFFEE)
    (folder / "notes.txt").write_text("lovely")
    page = visit(site.url)
    page.set_input_files("#folder", str(folder))
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(2)
    expect(page.locator("#toast")).to_contain_text("1 file is not named like an image")


def test_the_pile_can_be_narrowed_and_walked_through_by_keyboard(serve: Serve, visit: Visit) -> None:
    site = serve()
    labels = {"a.png": "lynx", "b.png": "tabby", "c.png": "tabby"}
    id = site.upload(*[(name, CAT) for name in labels], ("d.png", CAT))["id"]
    for name, label in labels.items():
        site.classify(f"{id}/{name}", label)
    page = visit(f"{site.url}/batches/{id}")
    expect(page.locator(".tile")).to_have_count(4)
    page.get_by_role("button", name="Waiting 1", exact=True).click()
    expect(page.locator(".tile .name")).to_have_text(["d.png"])
    page.get_by_role("button", name="All 4", exact=True).click()
    page.get_by_role("button", name="tabby 2").click()
    expect(page.locator(".tile .name")).to_have_text(["b.png", "c.png"])
    page.get_by_role("button", name="tabby 2").click()
    page.get_by_placeholder("Find a label or a name").fill("LYNX")
    expect(page.locator(".tile .name")).to_have_text(["a.png"])
    page.get_by_placeholder("Find a label or a name").fill("")
    expect(page.locator(".tile")).to_have_count(4)
    page.locator(".tile button").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="b.png: tabby, 75%")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text("tabby")
    expect(dialog.locator(".five").get_by_role("listitem")).to_have_text(["tabby75%", "lynx25%"])
    page.keyboard.press("ArrowLeft")
    expect(dialog.get_by_role("heading")).to_have_text("lynx")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="a.png: lynx, 75%")).to_be_focused()
    named = visit(f"{site.url}/batches/{id}#b.png")  # as the monitor's links to what failed are
    expect(named.get_by_role("dialog").get_by_role("heading")).to_have_text("tabby")
    named.keyboard.press("Escape")
    expect(named.get_by_role("dialog")).to_be_hidden()


def test_who_finds_every_seat_for_pictures_taken_sees_them_in_the_end(
    serve: Serve, visit: Visit, cloud: EmbeddedCloud
) -> None:
    with FaultProxy(cloud.endpoint_url) as proxy, ThreadPoolExecutor(1) as pool:
        site = serve(ELASTIQ_WEB_THREADS="8", AWS_ENDPOINT_URL=proxy.endpoint_url)  # one seat
        key = f"{site.upload(('a.png', CAT))['id']}/a.png"
        proxy.fault("GetObject", "hang")
        other = pool.submit(site.get, key_path(key))
        wait_for(lambda: proxy.faulted["GetObject"], 20)
        page = visit(site.url)
        with page.expect_response(lambda answer: answer.status == 503 and answer.url.endswith("/a.png")):
            page.goto(f"{site.url}/batches/{key.split('/', maxsplit=1)[0]}")
        with page.expect_response(lambda answer: answer.status == 503 and answer.url.endswith("?size=large")):
            tile(page, "a.png").get_by_role("button").click()
        assert width(page.get_by_role("dialog")) == 0
        proxy.release()
        assert other.result().status == 200
        wait_for(lambda: width(page.get_by_role("dialog")) == 451, 20)
        wait_for(lambda: width(tile(page, "a.png")) == 400, 20)


def test_of_a_large_batch_only_what_is_near_the_window_is_in_the_page(serve: Serve, visit: Visit) -> None:
    site = serve()
    id = site.upload(*[(f"{n:03d}.png", CAT) for n in range(400)])["id"]
    page = visit(f"{site.url}/batches/{id}", reduced_motion="reduce")
    expect(tally(page)).to_have_text("0 of 400")
    expect(tile(page, "000.png")).to_have_count(1)
    assert page.locator(".tile").count() < 200
    page.keyboard.press("End")
    expect(tile(page, "399.png")).to_be_visible()
    assert tile(page, "000.png").count() == 0
    expect(tile(page, "399.png")).to_have_attribute("aria-posinset", "400")


def test_an_address_without_a_batch_says_so(stack: Site, visit: Visit) -> None:
    for id in ("20200101T000000000Z-00000000", "nonsense", "%E0%A4%A"):
        page = visit(f"{stack.url}/batches/{id}")
        expect(page.get_by_role("heading", name="There is no such batch")).to_be_visible()


def test_files_that_are_handed_in_where_there_is_no_batch_make_a_new_one(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(f"{site.url}/batches/nonsense")
    expect(page.get_by_role("heading", name="There is no such batch")).to_be_visible()
    drop(page, ("chelsea.png", CAT))
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(1)
    assert not page.url.endswith("nonsense")


def test_going_back_leaves_nothing_of_a_batch_on_the_start_page(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    page.set_input_files("#files", [file("chelsea.png", CAT)])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(1)
    page.route("**/images", lambda route: route.fulfill(status=400, body='{"detail": "no room"}'))
    page.locator("#files").set_input_files([file("coffee.png", COFFEE)])
    expect(page.locator("#trouble")).to_contain_text("1 could not be uploaded")
    page.locator(".tile button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.evaluate("history.back()")
    expect(page.get_by_role("heading", name="Drop a pile of photographs")).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.unroute("**/images")
    page.set_input_files("#files", [file("coffee.png", COFFEE)])
    expect(page.locator('.tile[data-state="waiting"]')).to_have_count(1)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_batch_that_is_left_before_its_upload_ends_is_among_the_recent_ones(serve: Serve, visit: Visit) -> None:
    site = serve()
    page = visit(site.url)
    uploads: list[str] = []

    def let_one_through(route: Route) -> None:
        uploads.append("")
        route.continue_() if len(uploads) == 1 else route.abort()

    page.route("**/images", let_one_through)
    page.set_input_files("#files", [file(f"{n}.png", CAT) for n in range(6)])
    expect(page.locator('.tile[data-state="waiting"]').first).to_be_visible()
    page.evaluate("history.back()")
    expect(page.locator(".recent a")).to_contain_text("6 images")
    expect(page.locator(".recent img").first).to_be_visible()


def test_labels_of_images_in_folders_of_a_bucket_are_shown_without_pictures(serve: Serve, visit: Visit) -> None:
    site = serve()
    id = site.upload(("a.png", CAT))["id"]
    for key in (f"{id}/a.png", f"{id}/folder/b.png", f"{id}/folder/c.png"):
        site.classify(key, "tabby" if key.endswith("a.png") else "lynx")
    page = visit(f"{site.url}/batches/{id}")
    expect(page.get_by_role("button", name="lynx 2")).to_be_visible()
    assert page.get_by_role("button", name="lynx 2").locator("img").get_attribute("src") is None
