"""What long work says of itself, and lengths of time as people write them."""

from __future__ import annotations

import time

import numpy as np
import pytest
from command_line import Said

from recon.cli.console import Console, duration
from recon.cli.duration import Deadline, seconds_of
from recon.cli.memory import PeakMemory
from recon.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("180s", 180), ("5m", 300), ("1.5h", 5400), ("1h30m", 5400), ("2 min", 120)]
)
def test_budgets_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 bananas", "-3s", "0", "1h30", "s"])
def test_a_budget_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InputError) as caught:
        seconds_of(text)
    assert "60s" in caught.value.advice or "180s" in caught.value.advice


def test_durations_read_well() -> None:
    assert [duration(x) for x in (0.44, 12.4, 59.7, 185.0, 3720.0)] == [
        "0.4 s",
        "12 s",
        "1:00 min",
        "3:05 min",
        "1:02:00 h",
    ]


def test_what_is_left_of_a_budget_shrinks() -> None:
    assert Deadline(time.monotonic() - 4.0, 10.0).left == pytest.approx(6, abs=0.5)
    assert Deadline(0.0, None).left is None


def test_a_stage_ends_with_one_line_of_time_and_memory(capsys: Said) -> None:
    console = Console()
    with console.stage("poses") as stage:
        stage.progress(0.5, "nothing to see before two seconds")
        stage.result = "72 of 72 photos"
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("poses ")
    assert err.endswith("GB   72 of 72 photos\n")
    assert err.count("\n") == 1
    assert [summary.name for summary in console.stages] == ["poses"]


def test_long_stages_say_how_long_they_will_take_where_nothing_can_be_drawn(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console()
    with console.stage("train") as stage:
        stage.started -= 30
        stage._spoke -= 30
        stage._part_started -= 30
        stage.progress(0.25, "step 100")
        stage.progress(0.26, "step 101")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "train: 25%, 1:30 min left  step 100"
    assert len(others) == 1  # the summary: the second came too soon


def test_quiet_is_quiet_but_for_errors(capsys: Said) -> None:
    console = Console(quiet=True)
    with console.stage("train") as stage:
        stage.started -= 30
        stage.progress(0.5)
    console.say("hello")
    assert capsys.readouterr() == ("", "")
    console.error("It broke.", "Mend it.")
    assert capsys.readouterr().err == "recon: It broke.\nMend it.\n"


def test_peak_memory_sees_what_was_held_in_between() -> None:
    before = PeakMemory().bytes()
    memory = PeakMemory()
    held = np.ones(30_000_000)
    del held
    peak = memory.bytes()
    assert peak > before + 200_000_000
    assert PeakMemory().bytes() < peak - 200_000_000
