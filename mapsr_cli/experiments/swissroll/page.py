"""Table 1 as a Markdown page: the paper's figures beside ours."""

from typing import Any

from mapsr_cli.experiments.output import LABELS, power


def table_page(told: dict[str, Any]) -> str:
    """Rows of H ± deviation over trials, gap to MAP, median, MSE(x, Aŷ) and minutes."""
    paper, floor = told["paper"], told["map"]["h"]
    lines = [
        "# Table 1: the Swiss roll",
        "",
        f"{told['trials']} trials, budget `{told['budget']}`, seed {told['seed']}. H[q, p] in nats under the paper's "
        "kernel density (50,000 noiseless samples, bandwidth 0.2), mean ± standard deviation over trials; gaps are to "
        "each side's own MAP. The median is that of −log p(ŷ), which outliers do not rule.",
        "",
        "| | H, paper | gap, paper | H, ours | gap, ours | median, ours | MSE(x, Aŷ), paper | ours | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| MAP (brute force) | {paper['map']['h']:.2f} | 0 | {floor:.2f} | 0 | {told['map']['median']:.2f} "
        "| – | 0 | – |",
    ]
    for name, row in told["rows"].items():
        printed = paper.get(name)
        theirs = (f"{printed['h']:.2f}", f"{printed['h'] - paper['map']['h']:.2f}") if printed else ("–", "–")
        lines.append(
            f"| {LABELS[name]} | {theirs[0]} | {theirs[1]} | {row['h']:.2f} ± {row['h_std']:.2f} | {row['gap']:.2f} | "
            f"{row['median']:.2f} | {power(printed['consistency_mse']) if printed else '–'} | "
            f"{power(row['consistency_mse'])} | {row['seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"
