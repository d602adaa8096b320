"""Arming and taking out the hook: once, altogether, and with respect for others."""

from __future__ import annotations

from .support.hooking import ARMED_BY_SCRIPT, LOG_THREE, START, THREE, installations, script
from .support.processor import Processor
from .support.scripts import ScriptRunner

FACTS = """
def facts():
    from wandb.sdk import wandb_init, wandb_run
    run = wandb_run.Run
    return [wandb.init, wandb.sdk.init, wandb_init.init, run.log, run.define_metric, run._finish]
"""


def test_uninstall_restores_everything(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        script(
            "import sys\nimport wandb",
            FACTS,
            START,
            """
            finders = list(sys.meta_path)
            before = facts()
            bootstrap.start()
            assert sys.meta_path != finders
            assert all(now is not then for now, then in zip(facts(), before))
            bootstrap.uninstall()
            assert sys.meta_path == finders
            assert all(now is then for now, then in zip(facts(), before))
            bootstrap.uninstall()
            """,
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert processor.received == []


def test_a_hook_can_be_armed_again_after_uninstall(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        script(
            "import wandb",
            START,
            "bootstrap.start()\nbootstrap.uninstall()\nbootstrap.start()",
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert processor.series("loss") == THREE


def test_uninstall_before_the_import_disarms_a_spec_found_earlier(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import importlib.util
        import sys
        from primus_lens_wandb_exporter import bootstrap
        spec = importlib.util.find_spec("wandb")
        bootstrap.uninstall()
        sys.modules["wandb"] = wandb = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(wandb)
        assert not hasattr(wandb.init, "__wrapped__")
        """
    )
    assert installations(finished) == 0


def test_uninstall_leaves_alone_what_somebody_else_has_wrapped_since(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import wandb
        from primus_lens_wandb_exporter import bootstrap
        Run = wandb.sdk.wandb_run.Run
        ours = Run.log
        def theirs(self, *args, **kwargs):
            print("theirs")
            return ours(self, *args, **kwargs)
        Run.log = theirs
        bootstrap.uninstall()
        assert Run.log is theirs
        run = wandb.init()
        run.log({"loss": 1})
        run.finish()
        """
    )
    assert finished.stdout == "theirs\n"


def test_starting_twice_arms_once(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(
        script(
            START,
            """
            import sys
            for _ in range(3):
                bootstrap.start()
            assert sum("primus" in type(finder).__module__ for finder in sys.meta_path) == 1
            import wandb
            bootstrap.start()
            """,
            LOG_THREE,
        )
    )
    assert installations(finished) == 1
    assert processor.series("loss") == THREE
