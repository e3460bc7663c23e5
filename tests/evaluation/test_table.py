from mapsr_cli.evaluation.scores import Summary
from mapsr_cli.evaluation.table import tabulate


def row(psnr: float | None = 30.0, bit_exact: float = 1.0, **more: float | None) -> tuple[int, Summary]:
    return 5, {"psnr": psnr, "ssim": 0.9, "bit_exact": bit_exact, **more}


def texts(rows: dict[str, tuple[int, Summary]]) -> dict[str, dict[str, str]]:
    titles, cells = tabulate(rows)
    return {line[0].text: dict(zip(titles, (cell.text for cell in line), strict=True)) for line in cells}


def best(rows: dict[str, tuple[int, Summary]]) -> set[tuple[str, str]]:
    titles, cells = tabulate(rows)
    return {(line[0].text, title) for line in cells for title, cell in zip(titles, line, strict=True) if cell.best}


def test_what_stands_in_it() -> None:
    found = texts({"a": row(psnr=None, lr_psnr_file=None, seconds_per_mp=None), "b": row(lpips=0.12345)})
    assert found["a"] == {
        "model": "a", "images": "5", "PSNR": "∞", "SSIM": "0.9000", "LPIPS": "–", "LR-PSNR": "∞",
        "bit-exact": "100.00 %", "s/MP": "–",
    }  # fmt: skip
    assert found["b"]["LPIPS"] == "0.1235"


def test_less_than_all_is_never_100_percent() -> None:
    assert texts({"a": row(bit_exact=0.9999999)})["a"]["bit-exact"] == "99.99 %"


def test_the_best_are_marked() -> None:
    rows = {"a": row(31.0, 0.5, lpips=0.1), "b": row(30.0, 0.9, lpips=0.2), "c": row(30.0, 0.9, lpips=0.3)}
    assert best(rows) == {("a", "PSNR"), ("b", "bit-exact"), ("c", "bit-exact"), ("a", "LPIPS")}
    assert best({"a": row(None), "b": row(40.0)}) == {("a", "PSNR")}


def test_one_model_alone_is_not_the_best() -> None:
    assert best({"a": row()}) == set()
