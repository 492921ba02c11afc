"""The drawing parts alone, in a real browser, under the page's policy, without a server behind."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE = 64
PALETTE = ["#0000aa", "#0055ff", "#ff5500", "#00aaff"]


@pytest.fixture(scope="module")
def tab(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def site(tab: Any, static_site: str) -> Any:
    """Return an empty page to import modules into."""
    tab.goto(f"{static_site}/blank")
    return tab


def drawn(site: Any, script: str) -> list[int]:
    """Run `script` on a drawing of 16 x 16; return its pixels."""
    told = f"""async () => {{
      const {{ Drawing }} = await import("/draw/drawing.js");
      const drawing = new Drawing(16, 16, 0);
      {script}
      return [...drawing.pixels];
    }}"""
    found: list[int] = site.evaluate(told)
    return found


@pytest.fixture
def studio(site: Any) -> Any:
    """Return a page with a studio whose translator gives back what it is sent."""
    site.evaluate(
        """async ([side, palette]) => {
          const { Studio } = await import("/draw/studio.js");
          globalThis.sent = [];
          globalThis.studio = new Studio({
            mode: "labels", side, isLocked: true,
            palette: palette.map((colour) => ({ colour, share: 0.25 })),
            translate: async (picture) => {
              globalThis.sent.push(picture.png);
              return { picture: picture.png, inferenceMs: 1 };
            },
          });
          document.querySelector("main").append(studio.element);
        }""",
        [SIDE, PALETTE],
    )
    return site


def picture_sent(page: Any, *, newest: bool = True) -> Image.Image:
    """Return the last picture that was sent to be translated."""
    page.evaluate("studio.refresh()")
    text = page.evaluate(
        """async (newest) => {
          const bytes = new Uint8Array(await sent.at(newest ? -1 : 0).arrayBuffer());
          return btoa(String.fromCharCode(...bytes));
        }""",
        newest,
    )
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


def colours(image: Image.Image) -> set[Any]:
    return {colour for _, colour in image.convert("RGB").getcolors() or ()}


def pixels(page: Any) -> list[int]:
    found: list[int] = page.evaluate("[...studio.drawing.pixels]")
    return found


def box(page: Any) -> dict[str, float]:
    found: dict[str, float] = page.locator("canvas").bounding_box()
    return found


def stroke(page: Any) -> None:
    at = box(page)
    page.mouse.move(at["x"] + 40, at["y"] + 40)
    page.mouse.down()
    page.mouse.move(at["x"] + 200, at["y"] + 120, steps=7)
    page.mouse.up()


def test_a_line_is_bresenham(site: Any) -> None:
    found = drawn(site, "drawing.line(1, 1, 8, 4, 2, 1);")
    assert [at for at, index in enumerate(found) if index] == [
        17, 18, 35, 36, 53, 54, 71, 72,
    ]  # fmt: skip


def test_a_pen_is_as_wide_as_it_says(site: Any) -> None:
    for size in (1, 2, 3, 4, 5, 8, 15, 16):
        found = drawn(site, f"drawing.dot(8, 8, 1, {size});")
        rows = [found[16 * y : 16 * y + 16] for y in range(16)]
        assert sum(any(row) for row in rows) == size
        assert max(sum(row) for row in rows) == size
        assert rows == [list(column) for column in zip(*rows, strict=True)]  # round


def test_filling_stays_inside(site: Any) -> None:
    found = drawn(site, "drawing.outline(2, 2, 9, 9, 1); drawing.fill(5, 5, 3);")
    assert found.count(3) == 6 * 6
    assert found.count(1) == 4 * 7
    assert found[0] == 0


def test_every_step_is_undone_to_the_pixel_and_done_again(site: Any) -> None:
    found = site.evaluate(
        """async () => {
          const { Drawing, HISTORY } = await import("/draw/drawing.js");
          const drawing = new Drawing(48, 48, 0);
          const states = [drawing.pixels.slice()];
          let random = 7;
          const next = (below) => (random = (random * 1103515245 + 12345) % 2147483648) % below;
          for (let step = 0; step < HISTORY; step += 1) {
            drawing.begin();
            const [x, y] = [next(48), next(48)];
            drawing.line(x, y, next(48), next(48), 1 + (step % 3), 1 + next(9));
            if (step % 7 === 0) drawing.fill(x, y, 3);
            if (drawing.end()) states.push(drawing.pixels.slice());
          }
          const same = (one, other) => one.every((value, at) => value === other[at]);
          const wrong = [];
          for (let at = states.length - 2; at >= 0; at -= 1) {
            drawing.undo();
            if (!same(drawing.pixels, states[at])) wrong.push(-at);
          }
          if (drawing.canUndo) wrong.push("left over");
          for (let at = 1; at < states.length; at += 1) {
            drawing.redo();
            if (!same(drawing.pixels, states[at])) wrong.push(at);
          }
          return [states.length > 90, wrong];
        }"""
    )
    assert found == [True, []]


def test_what_is_sent_has_the_palettes_colours_only(studio: Any) -> None:
    stroke(studio)
    studio.get_by_role("button", name="Colour 3:").click()
    studio.get_by_role("button", name="Line").click()
    stroke(studio)
    image = picture_sent(studio)
    assert image.mode == "P"
    assert image.size == (SIDE, SIDE)
    assert set(image.info) <= {"transparency"}
    found = colours(image)
    given = {tuple(bytes.fromhex(colour[1:])) for colour in PALETTE}
    assert len(found) == 3
    assert found <= given
    assert list(image.tobytes()) == pixels(studio)


def test_the_canvas_shows_the_indices_and_nothing_between(studio: Any) -> None:
    stroke(studio)
    shown = studio.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const found = new Set();
          for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 4).join());
          return [...found].sort();
        }"""
    )
    assert shown == ["0,0,170,255", "0,85,255,255"]


def test_undo_goes_back_to_the_first_pixel_by_key(studio: Any) -> None:
    before = pixels(studio)
    stroke(studio)
    after = pixels(studio)
    assert after != before
    studio.keyboard.press("Control+z")
    assert pixels(studio) == before
    studio.keyboard.press("Control+Shift+z")
    assert pixels(studio) == after


def test_undo_in_the_midst_of_a_stroke_ends_it(studio: Any) -> None:
    before = pixels(studio)
    at = box(studio)
    studio.mouse.move(at["x"] + 40, at["y"] + 40)
    studio.mouse.down()
    studio.mouse.move(at["x"] + 120, at["y"] + 80, steps=4)
    studio.keyboard.press("Control+z")
    studio.mouse.move(at["x"] + 200, at["y"] + 200, steps=4)
    studio.mouse.up()
    assert pixels(studio) == before
    stroke(studio)
    studio.keyboard.press("Control+z")
    assert pixels(studio) == before


def test_a_pointer_that_was_lost_with_the_page_draws_no_more_and_the_next_does(studio: Any) -> None:
    at = box(studio)
    studio.mouse.move(at["x"] + 40, at["y"] + 40)
    studio.mouse.down()
    studio.mouse.move(at["x"] + 60, at["y"] + 60, steps=2)
    studio.evaluate("studio.element.remove()")
    studio.mouse.up()
    studio.evaluate("document.querySelector('main').append(studio.element)")
    before = pixels(studio)
    studio.mouse.move(at["x"] + 200, at["y"] + 90, steps=4)
    assert pixels(studio) == before
    stroke(studio)
    assert pixels(studio) != before


def test_a_picture_that_comes_late_does_not_take_the_place_of_what_was_drawn_meanwhile(
    studio: Any,
) -> None:
    studio.evaluate(
        """() => {
          studio.given.example = () => new Promise((resolve) => { globalThis.arrive = resolve; });
          globalThis.shown = studio.nextExample();
        }"""
    )
    stroke(studio)
    drawn = pixels(studio)
    studio.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(8, 8);
          canvas.getContext("2d").fillRect(0, 0, 8, 8);
          arrive({ input: await canvas.convertToBlob(), name: "late.png" });
          await shown;
        }"""
    )
    assert pixels(studio) == drawn
    assert studio.evaluate("studio.asIs") is None


# A picture in the palette's colours, each channel spread by up to `spread` levels as JPEG does it,
# of which the part `photo` has colours that no palette knows.
SPREAD = """async ([spread, photo]) => {
  const canvas = new OffscreenCanvas(64, 64);
  const context = canvas.getContext("2d");
  const image = context.createImageData(64, 64);
  const table = studio.colours.map((one) => [1, 3, 5].map((at) => parseInt(one.slice(at, at + 2), 16)));
  for (let at = 0; at < 4096; at += 1) {
    const colour = at < 4096 * photo ? [120, 220, 90] : table[(at >> 4) % table.length];
    image.data.set([...colour.map((one) => one + (at % 2 ? spread : -spread)), 255], 4 * at);
  }
  context.putImageData(image, 0, 0);
  await studio.take(await canvas.convertToBlob());
  return studio.asIs === null;
}"""


def test_a_label_map_that_jpeg_has_spread_is_drawn_on_at_once(studio: Any) -> None:
    assert studio.evaluate(SPREAD, [12, 0.2])
    assert pixels(studio)[-16:] == [3] * 16
    before = pixels(studio)
    stroke(studio)
    assert pixels(studio) != before
    assert "brought to the palette's" in studio.locator(".note").text_content()


def test_clear_leaves_nothing_of_the_example_beside_the_own_drawing(studio: Any) -> None:
    studio.evaluate(
        """() => {
          studio.take = async (input) => {
            studio.given.example = async () => ({ input, target: input, name: "one.png" });
            await studio.nextExample();
          };
        }"""
    )
    studio.evaluate(SPREAD, [12, 0.2])
    assert studio.locator(".panel.target").is_visible()
    assert studio.locator(".note").is_visible()
    studio.get_by_role("button", name="Clear").click()
    assert studio.locator(".panel.target").is_hidden()
    assert studio.locator(".note").is_hidden()
    assert set(pixels(studio)) == {0}


def test_such_a_label_map_is_translated_as_it_is_for_who_wants_that(studio: Any) -> None:
    studio.evaluate(SPREAD, [12, 0.2])
    studio.get_by_role("button", name="Translate it as it is").focus()
    studio.keyboard.press("Enter")
    assert studio.evaluate("studio.asIs !== null")
    assert studio.evaluate("document.activeElement.textContent").startswith("Draw on it")
    assert len(set(picture_sent(studio).convert("RGB").get_flattened_data())) > len(PALETTE)
    studio.keyboard.press("Enter")
    assert studio.evaluate("studio.asIs === null")


def test_a_photo_is_not_forced_into_the_palette(studio: Any) -> None:
    assert not studio.evaluate(SPREAD, [12, 0.6])


def test_a_pair_that_the_model_learned_from_is_not_said_to_be_held_out(studio: Any) -> None:
    told = studio.evaluate(
        """async () => {
          const canvas = new OffscreenCanvas(8, 8);
          canvas.getContext("2d").fillRect(0, 0, 8, 8);
          const input = await canvas.convertToBlob();
          const told = [];
          for (const isHeldOut of [true, false]) {
            studio.given.example = async () => ({ input, target: input, name: "a.png", isHeldOut });
            await studio.nextExample();
            told.push(studio.target.querySelector("p").textContent);
          }
          return told;
        }"""
    )
    assert told == ["Held out of training: a.png", "Of the training itself: a.png"]


def test_a_pens_pressure_is_its_size(studio: Any) -> None:
    at = box(studio)
    cdp = studio.context.new_cdp_session(studio)

    def pen(kind: str, x: float, y: float, force: float) -> None:
        cdp.send(
            "Input.dispatchMouseEvent",
            {
                "type": kind, "x": at["x"] + x, "y": at["y"] + y, "button": "left", "buttons": 1,
                "clickCount": 1, "pointerType": "pen", "force": force,
            },
        )  # fmt: skip

    def painted(force: float, y: float) -> int:
        before = sum(map(bool, pixels(studio)))
        pen("mousePressed", 60, y, force)
        pen("mouseMoved", 160, y, force)
        pen("mouseReleased", 160, y, 0)
        return sum(map(bool, pixels(studio))) - before

    light, hard = painted(0.1, 60), painted(1.0, 240)
    assert 0 < light < hard / 2


def test_touch_draws_and_does_not_scroll(browser: Any, static_site: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 500}, has_touch=True)
    page = context.new_page()
    page.goto(f"{static_site}/blank")
    page.evaluate(
        """async () => {
          const { Studio } = await import("/draw/studio.js");
          globalThis.studio = new Studio({ mode: "edges", side: 64,
            translate: async ({ png }) => ({ picture: png }) });
          document.body.replaceChildren(studio.element, document.createElement("pre"));
          document.querySelector("pre").textContent = "\\n".repeat(99);
        }"""
    )
    at = page.locator("canvas").bounding_box()
    cdp = context.new_cdp_session(page)
    for kind, y in [("touchStart", 30), ("touchMove", 80), ("touchMove", 160), ("touchEnd", None)]:
        points = [] if y is None else [{"x": at["x"] + 50, "y": at["y"] + y}]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert page.evaluate("scrollY") == 0
    assert page.evaluate("studio.drawing.pixels.filter(Boolean).length") > 15
    context.close()


def test_all_of_it_goes_by_keyboard(studio: Any) -> None:
    studio.locator("canvas").focus()
    studio.keyboard.press("3")  # a colour
    studio.keyboard.press("p")
    for _ in range(30):
        studio.keyboard.press("[")
    studio.keyboard.down(" ")
    for _ in range(5):
        studio.keyboard.press("ArrowRight")
    studio.keyboard.up(" ")
    middle = SIDE // 2
    found = {at for at, index in enumerate(pixels(studio)) if index}
    assert found == {middle * SIDE + middle + step for step in range(6)}
    assert {index for index in pixels(studio) if index} == {2}
    studio.keyboard.press("r")
    studio.keyboard.press("Shift+ArrowDown")
    studio.keyboard.press("Enter")
    studio.keyboard.press("ArrowLeft")
    studio.keyboard.press("ArrowUp")
    studio.keyboard.press("Enter")
    assert sum(map(bool, pixels(studio))) == 6 + 4
    studio.keyboard.press("Control+z")
    assert sum(map(bool, pixels(studio))) == 6


def test_a_picture_in_the_palettes_colours_is_drawn_on_and_another_is_taken_as_it_is(
    studio: Any,
) -> None:
    def paste(*colours: str) -> None:
        image = Image.new("RGB", (SIDE, SIDE), colours[0])
        image.paste(colours[1], (8, 8, 30, 30))
        file = io.BytesIO()
        image.save(file, "PNG")
        studio.evaluate(
            """async (text) => {
              const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
              await studio.take(new Blob([bytes], { type: "image/png" }));
              await studio.refresh();
            }""",
            base64.b64encode(file.getvalue()).decode(),
        )

    paste(PALETTE[0], PALETTE[3])
    assert pixels(studio).count(3) == 22 * 22
    assert picture_sent(studio).mode == "P"
    paste("#123456", "#fedcba")
    found = colours(picture_sent(studio))
    assert found == {(0x12, 0x34, 0x56), (0xFE, 0xDC, 0xBA)}
    drawn = pixels(studio)
    stroke(studio)  # there is nothing to draw on
    studio.locator("canvas").press("Enter")
    assert pixels(studio) == drawn
    middle = (
        "[...document.querySelector('canvas').getContext('2d').getImageData(20, 12, 1, 1).data]"
    )
    assert studio.evaluate(middle) == [0xFE, 0xDC, 0xBA, 255]
    studio.get_by_role("button", name="Draw on it").click()
    assert picture_sent(studio).mode == "P"
    studio.keyboard.press("Control+z")
    assert pixels(studio).count(3) == 22 * 22


def test_edges_are_drawn_in_black_on_white_and_a_picture_is_only_taken(site: Any) -> None:
    found = site.evaluate(
        """async () => {
          const { Studio } = await import("/draw/studio.js");
          const told = {};
          for (const mode of ["edges", "picture"]) {
            const sent = [];
            const studio = new Studio({ mode, side: 16,
              translate: async ({ png, rgba }) => { sent.push(rgba()); return { picture: png }; } });
            document.querySelector("main").replaceChildren(studio.element);
            await studio.refresh();
            told[mode] = [sent.length, studio.colours.join(), Boolean(document.querySelector(".tool"))];
            if (mode === "picture") {
              const canvas = new OffscreenCanvas(40, 20);
              const context = canvas.getContext("2d");
              context.fillStyle = "#336699";
              context.fillRect(0, 0, 40, 20);
              await studio.take(await canvas.convertToBlob());
              await studio.refresh();
              told.taken = [...sent.at(-1).slice(0, 4)];
            } else told.first = [...sent[0].slice(0, 4)];
          }
          return told;
        }"""
    )
    assert found == {
        "edges": [1, "#ffffff,#000000", True],
        "picture": [0, "#ffffff,#000000", False],
        "first": [255, 255, 255, 255],
        "taken": [0x33, 0x66, 0x99, 255],
    }


def test_one_translation_is_under_way_and_the_newest_waits(site: Any) -> None:
    found = site.evaluate(
        """async () => {
          const { newestOnly } = await import("/draw/newest.js");
          const began = [];
          let most = 0, now = 0;
          const follow = newestOnly(async (request) => {
            now += 1;
            most = Math.max(most, now);
            began.push(request);
            await new Promise((resolve) => setTimeout(resolve, 20));
            now -= 1;
          });
          follow(1); follow(2); follow(3);
          await follow(4);
          return [began, most];
        }"""
    )
    assert found == [[1, 4], 1]
