"""What the camera wrote into a photo: focal length in pixels, and which camera it was."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["camera_key", "focal_in_pixels"]

_MAKE, _MODEL, _LENS_MODEL = 0x010F, 0x0110, 0xA434
_FOCAL, _FOCAL_35 = 0x920A, 0xA405
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA20E, 0xA20F, 0xA210
_WIDTH = 0xA002
_DIAGONAL_35 = 43.2666  # mm; CIPA defines the 35 mm equivalent by the diagonal
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}


def focal_in_pixels(exif: Mapping[int, object], stored_size: tuple[int, int]) -> float | None:
    """Focal length in pixels of a file of `stored_size`; None when the tags are absent or contradict a lens.

    The sensor's resolution gives it exactly, but some cameras write nonsense there: it must agree with the
    35 mm equivalent, by its diagonal or by its width, within a fifth. The equivalent alone is rounded to whole mm.
    """
    width, height = stored_size
    equivalent = _number(exif, _FOCAL_35)
    by_diagonal = equivalent * (width**2 + height**2) ** 0.5 / _DIAGONAL_35
    by_width = equivalent * max(width, height) / 36
    by_sensor = _from_sensor(exif, width)
    readings = [reading for reading in (by_diagonal, by_width) if reading > 0]
    agree = len(readings) == 0 or any(abs(by_sensor / reading - 1) < 0.2 for reading in readings)
    focal = by_sensor if by_sensor > 0 and agree else by_diagonal
    return focal if 0.2 < focal / max(width, height) < 20 else None


def camera_key(exif: Mapping[int, object], upright_size: tuple[int, int]) -> str:
    """Equal for photos of one camera with one lens at one zoom, held the same way."""
    names = [str(exif.get(tag, "")).strip("\0 ") for tag in (_MAKE, _MODEL, _LENS_MODEL)]
    zoom = _number(exif, _FOCAL) or _number(exif, _FOCAL_35)
    return "|".join([*names, f"{zoom:.2f}" if zoom else "", "x".join(map(str, upright_size))])


def _from_sensor(exif: Mapping[int, object], width: int) -> float:
    focal, resolution = _number(exif, _FOCAL), _number(exif, _PLANE_X)
    unit = _MM_PER_UNIT.get(int(_number(exif, _PLANE_UNIT)) or 2)
    if focal == 0 or resolution == 0 or unit is None:
        return 0.0
    shrunk = width / (_number(exif, _WIDTH) or width)  # the file may be smaller than what the sensor gave
    return focal * resolution / unit * shrunk


def _number(exif: Mapping[int, object], tag: int) -> float:
    """A tag's value, 0 when absent or no positive number."""
    try:
        value = float(exif.get(tag, 0))  # pyright: ignore[reportArgumentType] - rationals and ints are numbers
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return value if 0 < value < 1e7 else 0.0
