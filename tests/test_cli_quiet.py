"""What other libraries log while the command runs is not told, and is told again afterwards."""

from __future__ import annotations

import logging

import pytest

from bcelogits.cli.quiet import quiet


def test_a_library_is_quiet_until_the_end(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("bcelogits_test.part")
    logging.getLogger("bcelogits_test").setLevel(logging.INFO)
    with quiet("bcelogits_test"):
        logger.critical("one")
        logging.getLogger("another").error("two")
    logger.info("three")
    assert caplog.messages == ["two", "three"]


def test_its_level_is_as_before_after_an_error() -> None:
    logger = logging.getLogger("bcelogits_test")
    logger.setLevel(logging.DEBUG)
    with pytest.raises(KeyError), quiet("bcelogits_test"):
        raise KeyError
    assert logger.level == logging.DEBUG
