"""What the `.pth` and `.start` files run: start the hook, whatever state the package is in.

Site prints a traceback at every start of Python when such a line fails, so nothing may come out.
"""


def start():
    try:
        from primus_lens_wandb_exporter.bootstrap import start as start_hook

        start_hook()
    except Exception:
        pass
