"""When the next frame is drawn and how large: quick while the camera moves, sharp once it rests, and training first.

Times are seconds on one monotonic clock; sizes are the longest side in pixels.
"""

from __future__ import annotations

__all__ = ["Pace", "Share"]

_QUICK = 0.06
"""Seconds that a frame may take while the camera moves."""
_REST = 0.2
"""Seconds without a change after which the camera rests and the picture is sharpened."""
_PATIENCE = 2.0
"""Seconds that one step of sharpening may take: nobody is served meanwhile, and no training step taken."""
_SMALLEST = 120
_LARGEST = 1920


class Share:
    """Keeps a recurring job to a share of the time: after `s` seconds of work it waits for `s (1 / share - 1)`."""

    def __init__(self, share: float, *, at_least: float = 0.0) -> None:
        self._wait = 1 / share - 1
        self._at_least = at_least
        self._next = 0.0

    def ready(self, now: float) -> bool:
        return now >= self._next

    def spent(self, seconds: float, now: float) -> None:
        """The job took `seconds` and ended `now`."""
        self._next = now + max(seconds * self._wait, self._at_least)


class Pace:
    """The size and time of frames of one browser, from what the last ones cost.

    While a model trains, moving the camera may take half of the time and keeping a resting picture fresh a
    twenty-fifth; nothing is held back when there is no training to slow down.
    """

    def __init__(self) -> None:
        self._pixels_per_second = 0.0
        self._moving = Share(0.5)
        self._resting = Share(0.04, at_least=1.0)

    def side(self, full: int, pixels: int, *, moved: float, drawn: int, stale: bool, training: bool, now: float) -> int:
        """Longest side of the frame to draw now, 0 for none.

        `full` and `pixels` are the longest side and the area of the window; `moved` is when the camera last changed;
        `drawn` is the side of the frame that shows the present camera, 0 when none does; `stale` when the model has
        changed since.
        """
        full = min(full, _LARGEST)
        resting = now - moved >= _REST
        if drawn == 0 and not resting:
            return self._quick_side(full, pixels) if not training or self._moving.ready(now) else 0
        sharp = self._sharp_side(full, pixels, drawn, training)
        if resting and drawn < sharp:
            return sharp
        if drawn > 0 and stale and (not training or self._resting.ready(now)):
            return sharp if resting else drawn
        return 0

    def spent(self, pixels: int, seconds: float, now: float) -> None:
        """A frame of so many pixels took `seconds` and was done `now`."""
        speed = pixels / max(seconds, 1e-6)
        self._pixels_per_second = speed if self._pixels_per_second == 0 else 0.5 * (self._pixels_per_second + speed)
        self._moving.spent(seconds, now)
        self._resting.spent(seconds, now)

    def _sharp_side(self, full: int, pixels: int, drawn: int, training: bool) -> int:
        """All of it where that takes no longer than `_PATIENCE`; slow models sharpen by steps, less far in training."""
        affordable = self._pixels_per_second * _PATIENCE
        if affordable == 0 or affordable >= pixels:
            return full
        side = min(max(int(full * (affordable / pixels) ** 0.5), _SMALLEST), full)
        return side if training or drawn < side else min(2 * drawn, full)

    def _quick_side(self, full: int, pixels: int) -> int:
        affordable = self._pixels_per_second * _QUICK
        return max(min(int(full * (affordable / pixels) ** 0.5), full), min(_SMALLEST, full))
