"""fmbench verify: whether the code that there is now trains stored runs as they were trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from fmbench.cli.loading import told_plugins
from fmbench.cli.options import DEFAULT_RESULTS, INTERRUPTED, Datasets, Offline, Plugin, ResultsDir, chosen
from fmbench.errors import FmbenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fmbench.run.agreement import Verdict


def command(
    steps: Annotated[
        int, typer.Option(min=1, help="First steps to take again; at least to the log's first line.")
    ] = 100,
    methods: Annotated[str | None, typer.Option(help="Only these, comma-separated.")] = None,
    dataset: Datasets = None,
    results_dir: ResultsDir = DEFAULT_RESULTS,
    teachers: Annotated[
        bool, typer.Option("--teachers", help="Also methods with a teacher, which is trained again in full.")
    ] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Verify again what was verified with this code.")] = False,
    plugin: Plugin = None,
    _offline: Offline = False,
) -> None:
    """Train the first steps of stored runs again, with the code of now, and compare the losses with their train.jsonl.

    They agree to the bit on the same kind of processor, with the same packages; elsewhere to 1e-4, as far as last bits
    do not decide them. A run that agrees is not stale, whatever has changed in its code; one that differs is, and the
    exit status is 1. Given again, the command goes on where it stopped.
    """
    # Here, so that --help does not wait for torch.
    from fmbench.progress import progress_bar
    from fmbench.run.verification import Verification
    from fmbench.store.run import find_runs

    plugins = told_plugins(plugin)
    wanted = None if methods is None else {plugins.methods.get(name).name for name in chosen(methods) or []}
    found = [run for run in find_runs(results_dir, *(chosen(dataset) or ())) if wanted is None or run.method in wanted]
    if not found:
        raise FmbenchError(f"nothing to verify in {str(results_dir)!r}: no run matches; give --results-dir")
    found.sort(key=lambda run: not run.train_log.exists())  # these may vouch for the others
    console, verification = Console(stderr=True, highlight=False), Verification(plugins, steps, teachers, renew)
    verdicts: list[Verdict] = []
    for directory in found:
        title = f"[{len(verdicts) + 1}/{len(found)}] {directory.title}"
        try:
            with progress_bar(console, title) as progress:
                verdicts.append(verification.verify(directory, progress))
        except KeyboardInterrupt:
            typer.echo("interrupted: what was verified is kept; the same command goes on from there", err=True)
            raise typer.Exit(INTERRUPTED) from None
        typer.echo(f"{title}: {verdicts[-1].text}")
    counts = {outcome: [verdict for verdict in verdicts if verdict.outcome == outcome] for outcome in OUTCOMES}
    typer.echo(summary(counts))
    if counts["differs"] or counts["failed"]:
        raise typer.Exit(1)


def summary(verdicts: Mapping[str, Sequence[Verdict]]) -> str:
    """How many runs ended how, and how well those agree that do."""
    parts = [f"{len(of)} {OUTCOMES[outcome]}" for outcome, of in verdicts.items() if of]
    compared = [verdict.difference for verdict in verdicts["agrees"] if verdict.difference is not None]
    if compared:
        parts[0] += f" ({compared.count(0.0)} of {len(compared)} to the bit, the worst to {max(compared):.1e})"
    return ", ".join(parts)


OUTCOMES = {"agrees": "agree", "differs": "differ", "failed": "cannot be trained again", "skipped": "were passed over"}
