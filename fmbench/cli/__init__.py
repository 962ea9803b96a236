"""The command line. Nothing here imports torch; `run` does, once it knows that there is something to train."""

from __future__ import annotations

import io
import sys
from typing import Annotated, Any

import typer
from rich.console import Console

from fmbench import __version__
from fmbench.cli import animate, bench, data, gc, info, listing, merge, plot, report, run, serve, status, table, verify
from fmbench.cli import eval as evaluation
from fmbench.cli.options import INTERRUPTED
from fmbench.errors import FmbenchError

app = typer.Typer(
    name="fmbench",
    help="One fair table for generative methods: same data, network, budget and seeds; NLL, FID and NFE.",
    epilog="Start with: fmbench run --methods fm-ot,ddpm",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# click's UsageError, from whichever copy of click this typer carries.
UsageError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")

app.command("run")(run.command)
app.command("status")(status.command)
app.command("eval")(evaluation.command)
app.command("verify")(verify.command)
app.command("bench")(bench.command)
app.command("list")(listing.command)
app.command("info")(info.command)
app.command("data")(data.command)
app.command("table")(table.command)
app.command("plot", help=plot.HELP)(plot.command)
app.command("animate")(animate.command)
app.command("report")(report.command)
app.command("serve")(serve.command)
app.command("merge")(merge.command)
app.command("gc")(gc.command)


@app.callback(invoke_without_command=True)
def common(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Options of every command."""
    if version:
        typer.echo(f"fmbench {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line; whatever goes wrong is one line on standard error.

    Exit status: 0 all is there, 1 a requested number is missing, 2 the request makes no sense, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # what an encoding lacks, as \u00b1 in ASCII, is no reason to fail
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    try:
        status = app(standalone_mode=False)
    except FmbenchError as error:
        console.print(f"error: {error}", markup=False)
        status = 2
    except UsageError as error:
        console.print(f"error: {error.format_message()} (see --help)", markup=False)
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has gone: nothing to say, nobody to hear it
        status = 0
    sys.exit(status)
