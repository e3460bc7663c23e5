from pathlib import Path

from mapsr_cli.imaging import read_picture
from mapsr_cli.inference import Upscaler
from mapsr_cli.networks import MlpGenerator, MlpGeneratorConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.views.card_picture import LARGEST, example_picture, sample_picture
from mapsr_cli.zoo import Model, load_model
from tests.pictures import save, scene


def test_sample_pictures(tiny_model: Path, tmp_path: Path) -> None:
    upscaler = Upscaler(load_model(tiny_model))
    name, data = sample_picture(upscaler, save(scene(20, 30), tmp_path / "a b ö.png"))
    assert name == "samples/a-b.png"
    (tmp_path / "made.png").write_bytes(data)
    assert read_picture(tmp_path / "made.png").levels.shape == (3, 80, 2 * 120 + 8)
    assert upscaler.model.takes_pictures
    network = MlpGenerator(MlpGeneratorConfig(colours=3))
    assert not Model(upscaler.model.card, network, make_kernel("box", 2)).takes_pictures
    assert min(read_picture(example_picture()).levels.shape[1:]) > LARGEST
