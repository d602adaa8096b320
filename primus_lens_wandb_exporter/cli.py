"""`primus-lens-wandb`: run a command under the hook, look at it from outside, mend what is wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from . import __version__, stats_files

SOMEWHERE = (
    "SQLite file, or postgresql://user@host/database, whose password is better in PGPASSWORD, "
    "~/.pgpass or PRIMUS_LENS_PROCESSOR_DB than here (default: processor.db in your data folder)"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return _perform(options, parser)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _perform(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    if options.action == "run":
        return _run(options.command, parser)
    if options.action == "stats":
        return _stats(options.json)
    if options.action == "evidence":
        from .evidence_command import show_evidence
        from .settings import load

        return show_evidence(load().settings)
    if options.action == "replay":
        from .replay_command import replay
        from .settings import load

        return replay(options.folder, load().settings)
    if options.action == "inject":
        from .inject import perform

        return perform(options.folder, best_effort=options.best_effort)
    if options.action in ("serve", "db"):
        return _process(options)
    from .doctor import examine

    return examine().show()


def _process(options: argparse.Namespace) -> int:
    try:
        if options.action == "db":
            from .processor.db_command import perform
        else:
            from .processor.command import run
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.processor":
            raise
        print(
            f"primus-lens-wandb: {options.action}: an injected folder has no processor; "
            "run it where the package is installed",
            file=sys.stderr,
        )
        return 1
    if options.action == "db":
        return perform(options)
    names = ("host", "port", "db", "retain", "thin_after")
    return run({name: getattr(options, name) for name in names})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="primus-lens-wandb",
        description="Zero-code telemetry for training jobs that use Weights & Biases.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    run = _add(
        actions,
        "run",
        "run one command under the hook, without installing it",
        usage="%(prog)s [-h] [--] COMMAND ...",
    )
    run.add_argument("command", nargs=argparse.REMAINDER, help="for example: python train.py")
    stats = _add(
        actions, "stats", "show what every live process of this user has sent, dropped and kept"
    )
    stats.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    _add(actions, "doctor", "say whether data would arrive from this interpreter, and if not, why")
    _add(actions, "evidence", "print the detection record that would be sent from here, as JSON")
    replay = _add(
        actions, "replay", "send what could not be delivered and lies in a spool; may be interrupted"
    )
    replay.add_argument("folder", metavar="DIR", help="an output path, or the spool folder below it")
    inject = _add(actions, "inject", "fill a folder that arms the hook in any Python, by PYTHONPATH")
    inject.add_argument("folder", metavar="DIR", help="a folder of its own, for this version alone")
    inject.add_argument(
        "--best-effort",
        action="store_true",
        help="exit with status 0 whatever happens, so that a pod starts all the same",
    )
    serve = _add(
        actions, "serve", "be a telemetry-processor: take what training processes send, keep it, answer"
    )
    serve.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", help="port to listen on (default: 8080; 0: any that is free)")
    serve.add_argument("--db", metavar="PLACE", help=SOMEWHERE)
    serve.add_argument(
        "--retain",
        metavar="AGE",
        help="remove workloads that were not seen for so long, such as 30d or 12h (default: never)",
    )
    serve.add_argument(
        "--thin-after",
        metavar="AGE",
        help="thin out the curves of runs that ended so long ago, such as 7d (default: never)",
    )
    _add_db(actions)
    return parser


def _add(actions: Any, name: str, says: str, **more: Any) -> Any:
    """Add an action, which its own help describes as the list of all does."""
    return actions.add_parser(name, help=says, description=f"{says[0].upper()}{says[1:]}.", **more)


def _add_db(actions: Any) -> None:
    database = _add(actions, "db", "measure or shrink a telemetry-processor's database, export a run")
    verbs = database.add_subparsers(dest="verb", metavar="ACTION", required=True)
    stats = _add(verbs, "stats", "show how much there is, and how much room it takes")
    stats.add_argument("--json", action="store_true", help="print JSON instead of a table")
    vacuum = _add(verbs, "vacuum", "give back the room of what was removed")
    export = _add(verbs, "export", "write all points of a run to a file")
    export.add_argument("run", metavar="RUN", help="its key, WORKLOAD/RUN_ID, or a RUN_ID there is once")
    export.add_argument("--format", choices=("csv", "parquet"), help="default: as the file's name says")
    export.add_argument("--output", metavar="FILE", help="default: RUN_ID.csv; -: standard output")
    export.add_argument("--force", action="store_true", help="replace a file that is there")
    for verb in (stats, vacuum, export):
        verb.add_argument("--db", metavar="PLACE", help=SOMEWHERE)


def _run(command: list[str], parser: argparse.ArgumentParser) -> int:
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        parser.error("run: no command; for example: primus-lens-wandb run -- python train.py")
    from .run_command import run

    return run(command)


def _stats(as_json: bool) -> int:
    found = stats_files.read_all()
    if as_json:
        print(json.dumps(found, indent=2))
    elif found:
        from .stats_table import table

        print("\n\n".join(table(stats) for stats in found))
    else:
        print(
            "No live process of this user publishes statistics.\n"
            "A process does so from about a second after its run's first item; "
            "`primus-lens-wandb doctor` says whether the hook is live."
        )
    return 0
