"""What the tests share; its assertions explain themselves as those of the tests do."""

import pytest

pytest.register_assert_rewrite("tests.support.twice", "tests.support.law")
