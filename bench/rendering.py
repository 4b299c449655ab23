"""Rendering in memory against conversions from Lab to RGB alone, on the same number of pixels.

8 bit, 6000 x 8000, warm, two threads (scikit-image has one). Ours enlarges the map, maps to the gamut and is
reversible; scikit-image and OpenCV convert a float32 Lab image. Writes bench/results/rendering.json.
"""

import cv2
import numpy as np
from _measure import photograph, save_results, shortest_seconds
from skimage.color import lab2rgb

from training import Colorizer
from training.color import lightness_of_gray

SHAPE = (6000, 8000)
THREADS = 2


def main() -> None:
    plane = photograph(SHAPE)
    colorizer = Colorizer.load("photo", "cpu")
    chroma = colorizer.predict(plane)
    lab = np.zeros((*SHAPE, 3), np.float32)
    lab[..., 0] = lightness_of_gray(8)[plane]
    lab[..., 1:] = (5, 15)
    ready = np.empty_like(lab)
    cv2.setNumThreads(THREADS)
    times = shortest_seconds(
        {
            "render": lambda: chroma.render(plane, threads=THREADS),
            "render, one thread": lambda: chroma.render(plane),
            "render, 16 bit": lambda: chroma.render(plane, bits=16, threads=THREADS),
            "OpenCV": lambda: cv2.cvtColor(lab, cv2.COLOR_LAB2RGB),
            "OpenCV, memory ready": lambda: cv2.cvtColor(lab, cv2.COLOR_LAB2RGB, ready),
            "predict": lambda: colorizer.predict(plane),
        }
    )
    part = lab[:1500]  # it takes gigabytes for temporaries
    times |= {"scikit-image": shortest_seconds({"": lambda: lab2rgb(part)}, 1)[""] * len(lab) / len(part)}
    results = {
        "megapixels": plane.size / 1e6,
        "threads": THREADS,
        "seconds": {name: round(seconds, 3) for name, seconds in times.items()},
        "speed_against_scikit_image": round(times["scikit-image"] / times["render"], 1),
        "speed_against_opencv": round(times["OpenCV"] / times["render"], 2),
        "speed_against_opencv_memory_ready": round(times["OpenCV, memory ready"] / times["render"], 2),
        "nanoseconds_per_pixel_one_thread": round(times["render, one thread"] / plane.size * 1e9, 1),
    }
    print(save_results("rendering", results))


if __name__ == "__main__":
    main()
