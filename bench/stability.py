"""How stable colour is: over the size and the aspect of a picture, and on album pages.

Two predictions of the same pixels are rendered on the same gray and compared by CIEDE2000. Writes
bench/results/stability.json.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _measure import has_photographs, photographs_parser, save_results
from PIL import Image, ImageOps

from training import Colorizer
from training.album import Box
from training.chroma_map import ChromaMap
from training.color import gray, srgb_to_lab
from training.evaluation.metrics import ciede2000, colourfulness
from training.evaluation.truths import pictures_to_measure
from training.picture_sources import decode_rgb
from training.small_lightness import area_means

TARGETS = {"ciede2000_mean": 1.0, "ciede2000_p95": 2.0}  # of other sizes
COLOURFULNESS_WITHIN = 0.03  # of that of the reference
PEER_PICTURES = 60
PEER_STEP = 32  # of a working size that follows the input
PAGES = 20
PAPERS = {"light": 225, "dark": 60}
PAPER_NOISE = 3  # standard deviation
PAGE_SHAPE = (1100, 1500)  # at least
ROWS, COLUMNS = 2, 3
LONG_SIDE = 400  # of a photograph on a page
GAPS = (30, 80)  # between photographs, and around them
LEAST_OVERLAP = 0.7  # intersection over union of a photograph and the picture found there
PAGES_TO_LOOK_AT = 2

Comparisons = Mapping[str, Sequence["Comparison"]]
Summary = dict[str, float | int]


class Comparison(NamedTuple):
    """One colouring against the reference."""

    ciede2000: float
    colourfulness: float
    reference: float


class Coloured:
    """A rendered picture, and what comparing it needs."""

    def __init__(self, rgb8: np.ndarray) -> None:
        self.rgb8 = rgb8
        self.lab = srgb_to_lab(rgb8 / np.float32(255))
        self.colourfulness = colourfulness(rgb8)

    def against(self, reference: "Coloured") -> Comparison:
        difference = float(ciede2000(self.lab, reference.lab).mean())
        return Comparison(difference, self.colourfulness, reference.colourfulness)


def coloured(chroma: ChromaMap, plane: np.ndarray) -> Coloured:
    """A plane in the colours of a map, which may have been made at another size or aspect."""
    return Coloured(replace(chroma, shape=plane.shape).render(plane))


def reduced(plane: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.rint(area_means(plane, shape)).astype(np.uint8)


def divided(plane: np.ndarray, factor: int) -> np.ndarray:
    height, width = plane.shape
    return reduced(plane, (height // factor, width // factor))


def squashed(plane: np.ndarray) -> np.ndarray:
    return reduced(plane, (min(plane.shape), min(plane.shape)))


def padded(plane: np.ndarray) -> tuple[np.ndarray, Box]:
    """A plane mirrored at left and right to 1.5 times its width, and where it lies in that."""
    height, width = plane.shape
    before = width // 4
    return np.pad(plane, ((0, 0), (before, before)), mode="symmetric"), Box(0, height, before, before + width)


def read_planes(data: Path) -> tuple[list[str], list[np.ndarray]]:
    """Names and gray planes of the colour pictures, with sides that four divides."""
    pictures = pictures_to_measure(data)
    planes = [gray(np.asarray(decode_rgb(encoded))) for encoded in pictures.encoded]
    return pictures.names, [plane[: plane.shape[0] // 4 * 4, : plane.shape[1] // 4 * 4] for plane in planes]


def compare_sizes(colorizer: Colorizer, plane: np.ndarray) -> dict[str, Comparison]:
    reference = coloured(colorizer.predict(plane), plane)
    wide, place = padded(plane)
    return {
        "1/2": coloured(colorizer.predict(divided(plane, 2)), plane).against(reference),
        "1/4": coloured(colorizer.predict(divided(plane, 4)), plane).against(reference),
        "1.5 times as wide": Coloured(colorizer.predict(wide).render(wide)[place.slices]).against(reference),
    }


def compare_squashed(colorizer: Colorizer, plane: np.ndarray, ours: Coloured) -> dict[str, Comparison]:
    """The picture is squashed to a square, and so are its colours."""
    reference = coloured(colorizer.predict(squashed(plane)), plane)
    wide, place = padded(plane)
    whole = replace(colorizer.predict(squashed(wide)), shape=wide.shape).render(wide)
    return {
        "square: 1/2": coloured(colorizer.predict(squashed(divided(plane, 2))), plane).against(reference),
        "square: 1.5 times as wide": Coloured(whole[place.slices]).against(reference),
        "square: 1, against ours": reference.against(ours),
    }


def in_proportion(colorizer: Colorizer, plane: np.ndarray) -> Colorizer:
    """The same model with a working size of half the short side."""
    size = max(PEER_STEP, round(min(plane.shape) // 2 / PEER_STEP) * PEER_STEP)
    info = replace(colorizer.info, working_size=size)
    return Colorizer(colorizer.network, info, colorizer.sha256, colorizer.device)


def compare_in_proportion(colorizer: Colorizer, plane: np.ndarray, ours: Coloured) -> dict[str, Comparison]:
    """The network sees more of a larger picture."""
    one, half, quarter = (
        coloured(in_proportion(colorizer, small).predict(small), plane)
        for small in (divided(plane, factor) for factor in (1, 2, 4))
    )
    return {
        "in proportion: 1/2": half.against(one),
        "in proportion: 1/4": quarter.against(one),
        "in proportion: 1, against ours": one.against(ours),
    }


def compare_peers(colorizer: Colorizer, plane: np.ndarray) -> dict[str, Comparison]:
    ours = coloured(colorizer.predict(plane), plane)
    return compare_squashed(colorizer, plane, ours) | compare_in_proportion(colorizer, plane, ours)


def gathered(comparisons: Sequence[Mapping[str, Comparison]]) -> dict[str, list[Comparison]]:
    return {name: [each[name] for each in comparisons] for name in comparisons[0]}


@dataclass(frozen=True, slots=True)
class Page:
    """An album page, and where its photographs lie."""

    paper: str
    plane: np.ndarray
    boxes: list[Box]
    photographs: list[np.ndarray]


@dataclass(frozen=True, slots=True)
class PageResult:
    """How the photographs of a page compare with themselves alone, by the merged map and by the global one."""

    paper: str
    merged: list[Comparison]
    whole: list[Comparison]
    found: list[bool]
    boxes: int

    @property
    def complete(self) -> bool:
        return all(self.found) and self.boxes == len(self.found)


def make_pages(planes: Sequence[np.ndarray]) -> Iterator[Page]:
    """Pages of other photographs each, as long as there are any; light and dark paper in turn."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(planes))
    for number in range(PAGES):
        chosen = [order[(number * ROWS * COLUMNS + place) % len(order)] for place in range(ROWS * COLUMNS)]
        photographs = [reduced(planes[index], shape_on_page(planes[index].shape)) for index in chosen]
        yield make_page(photographs, list(PAPERS)[number % len(PAPERS)], rng)


def shape_on_page(shape: tuple[int, ...]) -> tuple[int, int]:
    height, width = (round(side * LONG_SIDE / max(shape)) for side in shape)
    return height, width


def make_page(photographs: list[np.ndarray], paper: str, rng: np.random.Generator) -> Page:
    boxes, shape = lay_out([photograph.shape for photograph in photographs], rng)
    noisy = np.rint(rng.normal(PAPERS[paper], PAPER_NOISE, shape))
    plane = np.clip(noisy, 0, 255).astype(np.uint8)
    for box, photograph in zip(boxes, photographs):
        plane[box.slices] = photograph
    return Page(paper, plane, boxes, photographs)


def lay_out(shapes: Sequence[tuple[int, ...]], rng: np.random.Generator) -> tuple[list[Box], tuple[int, int]]:
    """Rows of photographs amid a page, and the shape of the page."""
    boxes, right, top = [], 0, gap(rng)
    for start in range(0, len(shapes), COLUMNS):
        row, left = shapes[start : start + COLUMNS], gap(rng)
        for height, width in row:
            boxes.append(Box(top, top + height, left, left + width))
            left += width + gap(rng)
        right = max(right, left)
        top += max(height for height, _ in row) + gap(rng)
    page = (max(top, PAGE_SHAPE[0]), max(right, PAGE_SHAPE[1]))
    down, across = (page[0] - top) // 2, (page[1] - right) // 2
    return [Box(b.top + down, b.bottom + down, b.left + across, b.right + across) for b in boxes], page


def gap(rng: np.random.Generator) -> int:
    return int(rng.integers(*GAPS, endpoint=True))


def pictures_found(chroma: ChromaMap) -> list[Box]:
    """The pictures of a page, in its own pixels."""
    boxes = [Box(**box) for box in chroma.record.get("pictures", ())]
    return [box.on_grid(chroma.lightness.shape, chroma.shape) for box in boxes]


def overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    height = min(first.bottom, second.bottom) - max(first.top, second.top)
    width = min(first.right, second.right) - max(first.left, second.left)
    common = max(0, height) * max(0, width)
    return common / (np.prod(first.sides) + np.prod(second.sides) - common)


def compare_page(colorizer: Colorizer, page: Page, look: Path | None) -> PageResult:
    chroma = colorizer.predict(page.plane)
    merged = chroma.render(page.plane)
    whole = colorizer.predict(page.plane, by_picture=False).render(page.plane)
    if look:
        save_strip([page.plane, whole, merged], look)
    alone = [coloured(colorizer.predict(photograph), photograph) for photograph in page.photographs]
    pairs = list(zip(page.boxes, alone))
    boxes = pictures_found(chroma)
    return PageResult(
        paper=page.paper,
        merged=[Coloured(merged[box.slices]).against(reference) for box, reference in pairs],
        whole=[Coloured(whole[box.slices]).against(reference) for box, reference in pairs],
        found=[any(overlap(box, other) >= LEAST_OVERLAP for other in boxes) for box in page.boxes],
        boxes=len(boxes),
    )


def compare_pages(colorizer: Colorizer, planes: Sequence[np.ndarray], look: Path | None) -> list[PageResult]:
    return [
        compare_page(colorizer, page, look / f"page-{number}.png" if look and number < PAGES_TO_LOOK_AT else None)
        for number, page in enumerate(make_pages(planes))
    ]


def rows_of_pages(results: Sequence[PageResult]) -> dict[str, list[Comparison]]:
    rows: dict[str, list[Comparison]] = {}
    for paper in PAPERS:
        of_paper = [result for result in results if result.paper == paper]
        rows[f"{paper} paper, merged"] = [each for result in of_paper for each in result.merged]
        rows[f"{paper} paper, page as a whole"] = [each for result in of_paper for each in result.whole]
    rows["all, merged"] = [each for result in results for each in result.merged]
    rows["all, page as a whole"] = [each for result in results for each in result.whole]
    rows["photographs found, merged"] = [
        each for result in results for each, found in zip(result.merged, result.found) if found
    ]
    rows["photographs found, page as a whole"] = [
        each for result in results for each, found in zip(result.whole, result.found) if found
    ]
    return rows


def count_found(results: Sequence[PageResult]) -> dict[str, int]:
    found = sum(sum(result.found) for result in results)
    counts = {"pages": len(results), "photographs": sum(len(result.found) for result in results)}
    counts |= {"photographs_found": found, "other_pictures": sum(result.boxes for result in results) - found}
    for paper in PAPERS:
        counts[f"complete_pages_{paper}"] = sum(result.complete for result in results if result.paper == paper)
    return counts


def taken_for_pages(colorizer: Colorizer, names: Sequence[str], planes: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Photographs in which several pictures were found, with those outlined in white."""
    taken = {}
    for name, plane in zip(names, planes):
        if boxes := pictures_found(colorizer.predict(plane)):
            outlined = plane.copy()
            for box in boxes:
                outlined[[box.top, box.bottom - 1], box.left : box.right] = 255
                outlined[box.top : box.bottom, [box.left, box.right - 1]] = 255
            taken[name] = outlined
    return taken


def save_strip(pictures: Sequence[np.ndarray], path: Path) -> None:
    """Save pictures of one shape side by side."""
    as_rgb = [picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2) for picture in pictures]
    Image.fromarray(np.concatenate(as_rgb, axis=1)).save(path)


def save_contact_sheet(planes: Sequence[np.ndarray], path: Path, side: int = 320) -> None:
    tiles = [np.asarray(ImageOps.pad(Image.fromarray(plane), (side, side))) for plane in planes]
    if tiles:
        tiles += [np.zeros((side, side), np.uint8)] * (-len(tiles) % 5)
        rows = [np.concatenate(tiles[start : start + 5], axis=1) for start in range(0, len(tiles), 5)]
        Image.fromarray(np.concatenate(rows)).save(path)


def summary(comparisons: Sequence[Comparison]) -> Summary:
    if not comparisons:
        return {"pictures": 0}
    difference, found, reference = np.array(comparisons).T
    close = np.abs(found - reference) <= COLOURFULNESS_WITHIN * reference
    return {
        "pictures": len(comparisons),
        "ciede2000_mean": round(float(difference.mean()), 3),
        "ciede2000_p95": round(float(np.percentile(difference, 95)), 3),
        "colourfulness_ratio": round(float(found.sum() / reference.sum()), 4),
        "share_within_3_percent": round(float(close.mean()), 3),
    }


def summaries(rows: Comparisons) -> dict[str, Summary]:
    return {name: summary(comparisons) for name, comparisons in rows.items()}


def print_table(title: str, rows: Mapping[str, Summary]) -> None:
    columns = ("pictures", "ciede2000_mean", "ciede2000_p95", "colourfulness_ratio", "share_within_3_percent")
    headings = ("pictures", "CIEDE2000", "95th percentile", "colourfulness ratio", "within 3 %")
    print(f"\n## {title}\n\n| | {' | '.join(headings)} |\n|---|{'--:|' * len(columns)}")
    for name, figures in rows.items():
        print(f"| {name} | {' | '.join(str(figures.get(column, '–')) for column in columns)} |")


def measure(data: Path, look: Path | None) -> dict[str, Any]:
    colorizer = Colorizer.load("photo", device="cpu")
    names, planes = read_planes(data)
    sizes = gathered([compare_sizes(colorizer, plane) for plane in planes])
    every = slice(None, None, max(1, len(planes) // PEER_PICTURES))
    ours = {f"ours: {name}": comparisons[every] for name, comparisons in sizes.items()}
    peers = ours | gathered([compare_peers(colorizer, plane) for plane in planes[every]])
    pages = compare_pages(colorizer, planes, look)
    taken = taken_for_pages(colorizer, names, planes)
    if look:
        save_contact_sheet(list(taken.values()), look / "taken-for-pages.png")
    return {
        "model": colorizer.name,
        "model_sha256": colorizer.sha256,
        "working_size": colorizer.info.working_size,
        "pictures": len(planes),
        "targets": TARGETS,
        "sizes": summaries(sizes),
        "peers": summaries(peers),
        "album": summaries(rows_of_pages(pages)),
        "album_found": count_found(pages),
        "photographs_taken_for_pages": list(taken),
    }


def report(results: Mapping[str, Any]) -> None:
    print_table("Other sizes and another aspect, against size 1", results["sizes"])
    for name in ("1/2", "1/4"):
        missed = [key for key, goal in TARGETS.items() if results["sizes"][name][key] > goal]
        print(f"goal for {name}: {'missed in ' + ', '.join(missed) if missed else 'reached'}")
    print_table("The same network as others would use it", results["peers"])
    print_table("Photographs on album pages, against each alone", results["album"])
    print(f"\n{json.dumps(results['album_found'])}")
    taken = results["photographs_taken_for_pages"]
    print(f"\n{len(taken)} of {results['pictures']} photographs are taken for pages: {', '.join(taken) or 'none'}")


def main() -> None:
    parser = photographs_parser("Measure how stable colour is, over sizes and on album pages.")
    parser.add_argument("--look", metavar="FOLDER", type=Path, help="save a few pages there, and what is odd")
    args = parser.parse_args()
    if not has_photographs(args.data):
        return
    if args.look:
        args.look.mkdir(parents=True, exist_ok=True)
    results = measure(args.data, args.look)
    save_results("stability", results)
    report(results)


if __name__ == "__main__":
    main()
