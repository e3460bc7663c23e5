"""Table 1 as a Markdown page: the paper's figures beside ours."""

from statistics import mean, stdev
from typing import Any

from mapsr_cli.experiments.output import LABELS, power, table


def table_page(results: dict[str, Any]) -> str:
    """Format rows of H ± deviation over trials, gap to MAP, median, MSE(x, Aŷ) and seconds."""
    paper, ours = results["paper"], results["map"]
    about = (
        f"{results['trials']} trials, budget `{results['budget']}`, seed {results['seed']}. H[q, p] in nats under the "
        "paper's kernel density (50,000 noiseless samples, bandwidth 0.2), mean ± standard deviation over trials; gaps "
        "are to each side's own MAP. The median is that of −log p(ŷ), which outliers do not rule."
    )
    several = {LABELS[name]: row["starts"] for name, row in results["rows"].items() if "starts" in row}
    chosen = "; ".join(f"{label} {_before(starts, ours['h'])}" for label, starts in several.items())
    note = f"One of several starts was kept, by its own discriminator. Mean gaps of all starts: {chosen}."
    titles = [
        "",
        "H, paper",
        "gap, paper",
        "H, ours",
        "gap, ours",
        "median, ours",
        "MSE(x, Aŷ), paper",
        "ours",
        "seconds",
    ]
    floor = [f"{paper['map']['h']:.2f}", "0", f"{ours['h']:.2f}", "0", f"{ours['median']:.2f}", "–", "0", "–"]
    lines = [["MAP (brute force)", *floor]]
    for name, row in results["rows"].items():
        printed = paper.get(name)
        theirs = (f"{printed['h']:.2f}", f"{printed['h'] - paper['map']['h']:.2f}") if printed else ("–", "–")
        lines.append(
            [
                LABELS[name], *theirs, f"{row['h']:.2f} ± {row['h_std']:.2f}", f"{row['gap']:.2f}",
                f"{row['median']:.2f}", power(printed["consistency_mse"] if printed else None),
                power(row["consistency_mse"]), f"{row['seconds']:.0f}",
            ]
        )  # fmt: skip
    return "\n\n".join(["# Table 1: the Swiss roll", about, table(titles, lines), note]) + "\n"


def _before(starts: list[list[float]], floor: float) -> str:
    """Format the mean gap ± deviation of all starts, before the choice."""
    gaps = [h - floor for trial in starts for h in trial]
    return f"{mean(gaps):.2f} ± {stdev(gaps):.2f} ({len(gaps)})"
