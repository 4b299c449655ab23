"""What a verification found, in sentences."""

from training.verification import PageProof, Verification

_HASHES: dict[bool | None, str] = {
    True: "has the hash that the record tells",
    False: "has another hash than the record tells",
    None: "has no recorded hash",
}
_MARKS: dict[bool | None, str] = {True: "yes", False: "NO ", None: "-  "}


def sentences(proof: PageProof) -> list[tuple[bool | None, str]]:
    """What was found for a page: whether it holds (None: not checked), and the sentence."""
    return [
        (proof.gray_different == 0, _gray(proof)),
        (proof.alpha_different == 0, _alpha(proof)),
        (None if proof.map_different is None else proof.map_different == 0, _map(proof)),
        (proof.map_is_recorded, _map_record(proof)),
        (bool(proof.known_as), _model(proof)),
        (proof.source_is_recorded, f"the source {_HASHES[proof.source_is_recorded]}"),
        (proof.result_is_recorded, f"the result {_HASHES[proof.result_is_recorded]}"),
    ]


def _gray(proof: PageProof) -> str:
    through = f"through the window {proof.window.lo:g} to {proof.window.hi:g}"
    if proof.gray_different == 0:
        return f"the gray of all {proof.pixels} pixels is the source's {through}, bit for bit"
    return (
        f"the gray of {proof.gray_different} of {proof.pixels} pixels is not the source's {through} "
        f"(by at most {proof.gray_deviation:.2%} of the range)"
    )


def _alpha(proof: PageProof) -> str:
    if proof.alpha_different == 0:
        return "the opacity is the source's"
    return f"the opacity of {proof.alpha_different} pixels is not the source's"


def _map(proof: PageProof) -> str:
    if proof.map_different is None:
        return "the map was not compared: none was given for this page"
    if proof.map_different == 0:
        return f"{proof.map_file} renders this page, byte for byte"
    return f"{proof.map_file} renders {proof.map_different} of {proof.pixels} pixels otherwise"


def _map_record(proof: PageProof) -> str:
    if proof.map_is_recorded is None:
        return "the map's own record was not compared"
    was = "was" if proof.map_is_recorded else "was not"
    return f"the map {was} made of this source, with the model and the window of the record"


def _model(proof: PageProof) -> str:
    if proof.record is None or proof.record.model_sha256 is None:
        return "it carries no record of the model that made it"
    start = proof.record.model_sha256[:12]
    if proof.known_as:
        return f"the model is {' or '.join(proof.known_as)}, known by its hash {start}"
    return f"no model here has the hash {start} of the one that made it ({proof.record.model})"


def print_verification(verification: Verification) -> None:
    """Print what was found, a line each; what does not hold begins with NO."""
    for proof in verification.pages:
        for holds, sentence in sentences(proof):
            print(f"{_MARKS[holds]}  page {proof.page}: {sentence}")
