"""Y-PSNR against time: our networks for bicubic ×4 and other people's, all measured in one run, on one thread.

    python benchmarks/front.py --data DIR/Set5 DIR/Set14 --peers CLONES --plot front.svg

`peers.py` says what belongs into CLONES; what is not there is skipped, and why is said. Time and memory are of the
network alone, 256² → 1024², in bfloat16, in the faster of two layouts: networks take turns, and each has its best of
several rounds. Y-PSNR is of float32, LR = A(HR) in 8 bits, the result in 8 bits, as it is and projected.
"""

import argparse
import ctypes
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import matplotlib as mpl
import torch
from convolution import Convolution, seconds
from matplotlib.figure import Figure
from peers import PEERS, load_peer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mapsr_cli.evaluation.protocol import PEAK, PROTOCOLS, pairs
from mapsr_cli.networks import Affine, Estimator
from mapsr_cli.operators import make_kernel, to_levels
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

KERNEL = make_kernel("bicubic", 4)
SIDE = 256
TICKS = (0.25, 0.5, 1, 2, 4)
"""Of the plot's axis of time."""
LAYOUTS = (torch.channels_last, torch.contiguous_format)


@dataclass
class Entry:
    """A network and what was measured of it."""

    name: str
    network: nn.Module
    ours: bool
    times: dict[torch.memory_format, list[float]] = field(default_factory=dict)
    """Seconds of each round, by layout."""
    memory: int = 0
    """Bytes beyond the network and x, at most."""
    plain: list[float] = field(default_factory=list)
    """Y-PSNR by set; of ours, which are no pictures without Π, as projected."""
    projected: list[float] = field(default_factory=list)
    """The same of Π f."""

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return sum(tensor.numel() for tensor in self.network.parameters())

    @property
    def layouts(self) -> Sequence[torch.memory_format]:
        """Orders of tensors in memory that are worth a try."""
        return LAYOUTS[1:] if self.name in PEERS and PEERS[self.name].contiguous else LAYOUTS

    @property
    def seconds(self) -> float:
        """Best time."""
        return min(min(times) for times in self.times.values())

    @property
    def layout(self) -> torch.memory_format:
        """Layout of the best time."""
        return min(self.times, key=lambda layout: min(self.times[layout]))


def prepared(network: nn.Module, layout: torch.memory_format) -> tuple[nn.Module, Tensor]:
    """Put a network, in place, into bfloat16 and a layout; make x [1, 3, 256, 256]."""
    x = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    network.to(torch.bfloat16, memory_format=layout)  # type: ignore[call-overload]
    return network, x.to(torch.bfloat16, memory_format=layout)


def timed(network: nn.Module, layout: torch.memory_format) -> float:
    """Return the processor seconds of the better of two runs: on one thread, what a free core takes."""
    network, x = prepared(network, layout)
    with torch.inference_mode():
        return seconds(lambda: network(x), 2)


def multiply_adds(network: nn.Module, side: int = 64) -> float:
    """Count the multiply-adds of one run on side × side, per LR pixel."""
    with FlopCounterMode(display=False) as counter:  # not in inference mode, where our convolutions are fused
        network(torch.rand(1, 3, side, side))
    return float(counter.get_total_flops()) / 2 / side**2


def load(name: str, clones: Path | None) -> Entry:
    """Load one of ours or a row of PEERS. Raises OSError or ImportError where a peer is missing."""
    if name in PEERS:
        if clones is None:
            raise ImportError("no --peers")
        return Entry(name, load_peer(name, clones), ours=False)
    return Entry(Path(name).stem, load_model(find_model(name)).network, ours=True)


def report_memory(
    name: str, clones: Path | None, layout: torch.memory_format, answer: "multiprocessing.Queue[int]"
) -> None:
    """Put the bytes by which one run raises this process's peak; in a process of its own."""
    torch.set_num_threads(1)
    network, x = prepared(load(name, clones).network, layout)
    with torch.inference_mode():
        network(x[..., :16, :16])
        ctypes.CDLL(None).malloc_trim(0)  # what is freed already would hide what is needed
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _resident("VmRSS")
        network(x)
    answer.put(_resident("VmHWM") - before)


def _resident(row: str) -> int:
    """Return bytes of this process: resident now (`VmRSS`), or at most (`VmHWM`)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status[row].split()[0])


def measure_memory(entry: Entry, name: str, clones: Path | None) -> int:
    """Run `report_memory` in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer: multiprocessing.Queue[int] = context.Queue()
    child = context.Process(target=report_memory, args=(name, clones, entry.layout, answer))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"{name}: its memory was not measured (exit code {child.exitcode})")
    return answer.get()


@torch.inference_mode()
def score(entry: Entry, folder: Path) -> None:
    """Append the mean Y-PSNR of a folder of HR images, as the network gives them and projected."""
    network = entry.network.float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    estimator = Estimator(network, Affine(KERNEL))
    plain: list[float] = []
    projected: list[float] = []
    for pair in pairs(folder, KERNEL):
        x = pair.lr[None] / PEAK
        y = estimator(x)
        f = y if entry.ours else network(x)
        for estimates, into in ((f, plain), (y, projected)):
            levels = to_levels(estimates[0] * PEAK, PEAK)
            into.append(PROTOCOLS["y"].psnr(levels / PEAK, pair.hr / PEAK, KERNEL.scale))
    entry.plain.append(mean(plain))
    entry.projected.append(mean(projected))


def draw(entries: Sequence[Entry], reference: Entry, sets: Sequence[str], path: Path) -> None:
    """Draw Y-PSNR, of ours projected, against time: one panel for each set, ours and others' apart."""
    with mpl.rc_context({"svg.hashsalt": "mapsr", "font.size": 9}):
        figure = Figure(figsize=(4.4 * len(sets), 3.6), layout="constrained")
        panels = figure.subplots(1, len(sets), squeeze=False)[0]
        for index, (axes, name) in enumerate(zip(panels, sets, strict=True)):
            above = {True: True, False: False}  # labels of neighbours lie on either side of their points
            for entry in sorted(entries, key=lambda entry: entry.seconds):
                at = (entry.seconds / reference.seconds, entry.plain[index])
                above[entry.ours] = not above[entry.ours]
                axes.plot(*at, "o" if entry.ours else "s", color="tab:blue" if entry.ours else "tab:grey")
                axes.annotate(
                    entry.name, at, xytext=(0, 6 if above[entry.ours] else -14), textcoords="offset points", ha="center"
                )
            axes.set(xscale="log", xlabel=f"time, {reference.name}'s = 1", ylabel="Y-PSNR in dB", title=name)
            axes.set_xticks(TICKS, [str(tick) for tick in TICKS])
            axes.minorticks_off()
            axes.grid(visible=True, alpha=0.3)
            axes.margins(x=0.25, y=0.15)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def main() -> None:
    """Measure, print a table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of HR images")
    parser.add_argument("--models", nargs="+", default=[DEFAULT_MODEL], help="ours; the first has a time of 1")
    parser.add_argument("--peers", type=Path, help="folder of clones")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--plot", type=Path, help="SVG or PNG to write to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    entries: dict[str, Entry] = {}
    for name in [*args.models, *PEERS]:
        try:
            entries[name] = load(name, args.peers)
        except (OSError, ImportError) as error:
            print(f"{name}: skipped ({error})")
    work = {name: multiply_adds(entry.network) for name, entry in entries.items()}
    for name, entry in entries.items():  # before times, which round the weights
        for folder in args.data:
            score(entry, folder)
        print(f"{name}: {entry.plain} as it is, {entry.projected} projected", flush=True)
    convolution = Convolution(torch.bfloat16, torch.channels_last, 64, SIDE)
    pace = convolution.pace()
    for _ in range(args.rounds):
        for entry in entries.values():
            for layout in entry.layouts:
                entry.times.setdefault(layout, []).append(timed(entry.network, layout))
        pace = max(pace, convolution.pace())
    for name, entry in entries.items():
        entry.memory = measure_memory(entry, name, args.peers)
    reference = entries[args.models[0]]
    sets = [folder.name for folder in args.data]
    print(f"\n3×3 convolution, 64 → 64, 256², bfloat16: {pace / 1e9:.0f} G multiply-adds per second\n")
    print(
        "| | parameters | multiply-adds per LR pixel | s | time | of that pace | MB |"
        + "".join(f" {name} |" for name in sets)
    )
    print("|---|" + "--:|" * (6 + len(sets)))
    for name, entry in sorted(entries.items(), key=lambda item: item[1].seconds):
        share = work[name] * SIDE**2 / entry.seconds / pace
        db = "".join(
            f" {plain:.2f} |" if entry.ours else f" {plain:.2f} → {projected:.2f} |"
            for plain, projected in zip(entry.plain, entry.projected, strict=True)
        )
        print(
            f"| {entry.name} | {entry.parameters / 1e6:.2f} M | {work[name] / 1e6:.2f} M | {entry.seconds:.3f} | "
            f"{entry.seconds / reference.seconds:.2f} | {share:.0%} | {entry.memory / 1e6:.0f} |{db}"
        )
    if args.plot:
        draw(list(entries.values()), reference, sets, args.plot)


if __name__ == "__main__":
    main()
