"""Our whole road against the networks alone of two published colorizers, which do not install here.

Stand-ins after their papers, with random weights: see _peers.py. Warm, one thread each. Writes
bench/results/peers.json.
"""

import torch
from _measure import photograph, save_results, shortest_seconds
from _peers import ddcolor_tiny, multiply_adds, parameters, siggraph17

from training import Colorizer

SHAPE = (3000, 4000)


def main() -> None:
    torch.set_num_threads(1)
    plane = photograph(SHAPE)
    colorizer = Colorizer.load("photo", "cpu")
    chroma = colorizer.predict(plane)
    ours = torch.zeros(1, 4, 128, 160).contiguous(memory_format=torch.channels_last)
    siggraph, ddcolor = siggraph17(), ddcolor_tiny()
    small, large = torch.zeros(1, 4, 256, 256), torch.zeros(1, 3, 512, 512)
    with torch.inference_mode():
        times = shortest_seconds(
            {
                "ours, 12 megapixels to RGB": lambda: colorizer.predict(plane).render(plane),
                "ours, render": lambda: chroma.render(plane),
                "ours, network": lambda: colorizer.network(ours),
                "SIGGRAPH17, network": lambda: siggraph(small),
                "DDColor-tiny, network": lambda: ddcolor(large),
            },
            3,
        )
    results = {
        "seconds": {name: round(seconds, 3) for name, seconds in times.items()},
        "12_megapixels_against_ddcolor_tiny": round(
            times["ours, 12 megapixels to RGB"] / times["DDColor-tiny, network"], 3
        ),
        "network_against_siggraph17": round(times["ours, network"] / times["SIGGRAPH17, network"], 3),
        "million_parameters": {
            "ours": round(parameters(colorizer.network) / 1e6, 1),
            "SIGGRAPH17": round(parameters(siggraph) / 1e6, 1),
            "DDColor-tiny": round(parameters(ddcolor) / 1e6, 1),
        },
        "giga_multiply_adds": {
            "ours": round(multiply_adds(colorizer.network, ours) / 1e9, 1),
            "SIGGRAPH17": round(multiply_adds(siggraph, small) / 1e9, 1),
            "DDColor-tiny": round(multiply_adds(ddcolor, large) / 1e9, 1),
        },
    }
    print(save_results("peers", results))


if __name__ == "__main__":
    main()
