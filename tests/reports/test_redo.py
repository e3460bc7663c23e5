"""Making a picture again by two networks: colour by one for noise, alpha by the other."""

from pathlib import Path

from PIL import Image

from mapsr_cli.imaging import Picture, write_picture
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.files import Output, encode_file, load_file, upscale_frames
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import parse_report
from mapsr_cli.reports.redo import make_again
from mapsr_cli.reports.writing import Naming, make_report
from mapsr_cli.zoo import load_model, save_model
from tests.pictures import lr_of, scene
from tests.told import told_model


def test_alpha_of_a_noisy_picture_goes_through_its_own_network(tmp_path: Path, tiny_model: Path) -> None:
    told = told_model()
    save_model(tmp_path / "told.safetensors", told.network, told.card)
    (tmp_path / tiny_model.name).write_bytes(tiny_model.read_bytes())
    lr = lr_of(scene(64, 48), make_kernel("bicubic", 4)).byte()
    write_picture(source := tmp_path / "in.png", Picture(lr, alpha=lr[:1]))
    with Image.open(source) as image:
        assert image.mode == "RGBA"
    restorer = load_model(tmp_path / "told.safetensors")
    upscaler, output = Upscaler(load_model(tiny_model), Settings(noise=6.0), restorer=restorer), Output("PNG")
    originals, decoding = load_file(source, output, upscaler)
    upscaled, done = upscale_frames(originals, upscaler)
    data, done = encode_file(originals, upscaled, decoding + done, upscaler, output)
    naming, evidence = Naming("in.png", "out.png", "", ""), {"evidence": "noise", "noise": 6.0}
    written = make_report(naming, originals, upscaled, data, done, upscaler, output, evidence)
    report = parse_report(written.to_json(), "it")
    assert report.alpha_model is not None
    assert (report.model.file, report.alpha_model.file) == ("told.safetensors", tiny_model.name)
    assert make_again(report, source).data == data
