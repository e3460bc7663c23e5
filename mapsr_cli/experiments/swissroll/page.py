"""Table 1 as a Markdown page: the paper's figures beside ours."""

from statistics import mean, stdev
from typing import Any

from mapsr_cli.experiments.output import LABELS, power, table

EXACT = {
    "mean": "posterior mean (exact: MSE, AffMSE)",
    "median": "posterior median (exact: MAE, AffMAE)",
    "sample": "posterior samples (exact: stochastic)",
}
"""What the objectives ask for, as the table calls it."""


def table_page(results: dict[str, Any]) -> str:
    """Format rows of steps, starts, H ± deviation over trials, gap to MAP, median, MSE(x, Aŷ) and seconds."""
    about = (
        f"{results['trials']} trials, budget `{results['budget']}`, seed {results['seed']}. H[q, p] in nats under the "
        "paper's kernel density (50,000 noiseless samples, bandwidth 0.2), mean ± standard deviation over trials; gaps "
        "are to each side's own MAP. The median is that of −log p(ŷ), which outliers do not rule. Steps are the "
        "generator's, after +: those of the prior that it follows. Of several starts one was kept, by its own "
        "discriminator; the line before has all of them. Seconds are of one processor."
    )
    titles = [
        "",
        "steps",
        "starts",
        "H, paper",
        "gap, paper",
        "H, ours",
        "gap, ours",
        "median, ours",
        "MSE(x, Aŷ), paper",
        "ours",
        "seconds",
    ]
    ours = results["map"]
    lines = [_line(results, "map", LABELS["map"] + " (brute force)", {**ours, "gap": 0.0, "consistency_mse": 0.0})]
    lines += [_line(results, "", EXACT[name], row) for name, row in results["exact"].items()]
    for name, row in results["rows"].items():
        if "starts" in row:
            lines.append(_line(results, name, f"{LABELS[name]}, one start", _every_start(row, ours["h"])))
            lines.append(_line(results, "", f"{LABELS[name]}, kept of {len(row['starts'][0])}", row))
        else:
            lines.append(_line(results, name, LABELS[name], row))
    return "\n\n".join(["# Table 1: the Swiss roll", about, table(titles, lines)]) + "\n"


def _line(results: dict[str, Any], name: str, label: str, row: dict[str, Any]) -> list[str]:
    """Format a row; `name`: the paper's, where it printed one."""
    printed, floor = results["paper"].get(name), results["paper"]["map"]["h"]
    theirs = [f"{printed['h']:.2f}", _number(printed["h"] - floor)] if printed else ["–", "–"]
    deviation = f" ± {row['h_std']:.2f}" if row.get("h_std") else ""
    return [
        label,
        _steps(row),
        str(len(row["starts"][0])) if "starts" in row else "1" if "steps" in row else "–",
        *theirs,
        f"{row['h']:.2f}{deviation}",
        _number(row["gap"]),
        _number(row.get("median")),
        power(printed["consistency_mse"] if printed else None),
        power(row.get("consistency_mse")),
        _number(row.get("seconds"), 0),
    ]


def _steps(row: dict[str, Any]) -> str:
    if "steps" not in row:
        return "–"
    return f"{row['steps']:,}" + (f" + {row['prior_steps']:,}" if "prior_steps" in row else "")


def _number(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else "0" if value == 0 else f"{value:.{digits}f}"


def _every_start(row: dict[str, Any], floor: float) -> dict[str, Any]:
    """Return the row of all starts, before the choice: what one start gives."""
    entropies = [h for trial in row["starts"] for h in trial]
    return {
        "steps": row["steps"],
        "h": mean(entropies),
        "h_std": stdev(entropies) if len(entropies) > 1 else 0.0,
        "gap": mean(entropies) - floor,
        "seconds": row["seconds"] / len(row["starts"][0]),
    }
