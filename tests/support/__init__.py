"""What the tests share; its assertions explain themselves as those of the tests do."""

try:
    import pytest
except ImportError:  # the demo reads W&B's files by it, too, and needs nothing else
    pass
else:
    pytest.register_assert_rewrite("tests.support.twice", "tests.support.law")
